package emulate

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
)

// TestAppendColumn: the right side is what Python 3 prints for json.dumps(value, default=str) with PyMySQL's values.
func TestAppendColumn(t *testing.T) {
	for _, test := range []struct {
		value      any
		columnType string
		want       string
	}{
		{nil, "TEXT", `null`},
		{int64(-7), "BIGINT", `-7`},
		{uint64(18446744073709551615), "UNSIGNED BIGINT", `18446744073709551615`},
		{float32(-89.9787), "FLOAT", `-89.9787`},
		{float32(7), "FLOAT", `7.0`},
		{0.0, "DOUBLE", `0.0`},
		{0.30000000000000004, "DOUBLE", `0.30000000000000004`},
		{1e15, "DOUBLE", `1000000000000000.0`},
		{1e16, "DOUBLE", `1e+16`},
		{1.5e-5, "DOUBLE", `1.5e-05`},
		{0.0001, "DOUBLE", `0.0001`},
		{1e300, "DOUBLE", `1e+300`},
		{[]byte("12.50"), "DECIMAL", `"12.50"`},
		{[]byte("a \"b\" \\ é 😀\n<>"), "TEXT", `"a \"b\" \\ é 😀\n<>"`},
		{[]byte("2020-08-28 03:52:47"), "DATETIME", `"2020-08-28 03:52:47"`},
		{[]byte("2020-08-28 03:52:47.000000"), "DATETIME", `"2020-08-28 03:52:47"`},
		{[]byte("2020-08-28 03:52:47.5"), "TIMESTAMP", `"2020-08-28 03:52:47.500000"`},
		{[]byte("2020-08-28"), "DATE", `"2020-08-28"`},
		{[]byte("1.50"), "TEXT", `"1.50"`},
	} {
		got, err := appendColumn(nil, test.value, test.columnType)
		if err != nil || string(got) != test.want {
			t.Errorf("appendColumn(%#v, %s) = %s, %v, want %s", test.value, test.columnType, got, err, test.want)
		}
	}
	if _, err := appendColumn(nil, time.Time{}, "DATE"); err == nil {
		t.Error("a value of an unexpected type is taken")
	}
}

func TestMySQLAddress(t *testing.T) {
	cfg, err := mysqlConfig("mysql://us%40er:p%2Fa%3As%23s@db.example/pinterest?tls=skip-verify")
	if err != nil {
		t.Fatalf("mysqlConfig: %v", err)
	}
	got := []string{cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.TLSConfig}
	if diff := cmp.Diff([]string{"us@er", "p/a:s#s", "tcp", "db.example:3306", "pinterest", "skip-verify"}, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// testDatabaseRows is the number of posts in the test database.
const testDatabaseRows = 50

// testTableComment marks the tables that these tests may drop.
const testTableComment = "made by a headrace test"

// testDatabase fills the three tables in the MySQL or MariaDB that HEADRACE_TEST_MYSQL names with posts of the sample,
// with the column types that pandas gives them, and drops them after the test.
func testDatabase(t *testing.T) (address string) {
	t.Helper()
	address = os.Getenv("HEADRACE_TEST_MYSQL")
	if address == "" {
		missing(t, "HEADRACE_TEST_MYSQL is not set: want a database that may be written, mysql://user:password@host:port/database")
	}
	cfg, err := mysqlConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	// A database with tables of these names that are not ours may be somebody's real one.
	var foreign int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"+
		" AND table_name IN (?, ?, ?) AND table_comment <> ?", pinTable, geoTable, userTable, testTableComment).Scan(&foreign); err != nil {
		t.Fatalf("looking for tables: %v", err)
	}
	if foreign > 0 {
		t.Fatalf("database %q has tables %s, %s or %s that no test made: name an empty database", cfg.DBName, pinTable, geoTable, userTable)
	}
	drop := func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS pinterest_data, geolocation_data, user_data")
		return err
	}
	t.Cleanup(func() {
		if err := drop(context.Background()); err != nil {
			t.Errorf("dropping the tables: %v", err)
		}
		db.Close()
	})
	if err := drop(t.Context()); err != nil {
		t.Fatalf("dropping old tables: %v", err)
	}
	for _, table := range []string{
		"pinterest_data (`index` BIGINT, unique_id TEXT, title TEXT, description TEXT, poster_name TEXT, follower_count TEXT, tag_list TEXT," +
			" is_image_or_video TEXT, image_src TEXT, downloaded BIGINT, save_location TEXT, category TEXT)",
		"geolocation_data (ind BIGINT, timestamp DATETIME, latitude FLOAT, longitude DOUBLE, country TEXT)",
		"user_data (ind BIGINT, first_name TEXT, last_name TEXT, age BIGINT, date_joined DATETIME)",
	} {
		if _, err := db.ExecContext(t.Context(), "CREATE TABLE "+table+" DEFAULT CHARSET utf8mb4 COMMENT '"+testTableComment+"'"); err != nil {
			t.Fatalf("creating a table: %v", err)
		}
	}
	for row := range testDatabaseRows {
		post := Sample(1).Post(row)
		insert(t, db, pinTable, post.Pin)
		// The other tables lie in another order: they are joined by key, not by place.
		post = Sample(1).Post(testDatabaseRows - 1 - row)
		insert(t, db, geoTable, post.Geo)
		insert(t, db, userTable, post.User)
	}
	return address
}

func insert(t *testing.T, db *sql.DB, table string, event []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	var row map[string]any
	if err := d.Decode(&row); err != nil {
		t.Fatal(err)
	}
	var columns, marks []string
	var values []any
	for column, value := range row {
		if number, ok := value.(json.Number); ok {
			value = number.String()
		}
		columns, marks, values = append(columns, "`"+column+"`"), append(marks, "?"), append(values, value)
	}
	query := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ","), strings.Join(marks, ","))
	if _, err := db.ExecContext(t.Context(), query, values...); err != nil {
		t.Fatalf("inserting into %s: %v", table, err)
	}
}

// missing skips a test for want of something outside; in CI it fails, so that nothing is left out unnoticed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func TestMySQLGivesTheRowsOfTheTables(t *testing.T) {
	address := testDatabase(t)
	draw := func(seed uint64) (keys []string) {
		src, err := OpenSource(t.Context(), address, seed)
		if err != nil {
			t.Fatalf("OpenSource: %v", err)
		}
		defer src.Close()
		for range 4 * testDatabaseRows {
			post, err := src.Next(t.Context())
			if err != nil {
				t.Fatalf("Next: %v", err)
			}
			var row int
			if _, err := fmt.Sscan(post.Key, &row); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Sample(1).Post(row), post); diff != "" {
				t.Fatalf("row %d comes back different (-want +got):\n%s", row, diff)
			}
			keys = append(keys, post.Key)
		}
		return keys
	}
	first := draw(1)
	different := map[string]bool{}
	for _, key := range first {
		different[key] = true
	}
	if len(different) < testDatabaseRows*8/10 || len(different) == len(first) {
		t.Errorf("%d draws gave %d different rows of %d", len(first), len(different), testDatabaseRows)
	}
	if diff := cmp.Diff(first, draw(1)); diff != "" {
		t.Errorf("the same seed draws differently:\n%s", diff)
	}
	if cmp.Equal(first, draw(2)) {
		t.Error("another seed draws the same rows")
	}
}

func TestRunFromMySQL(t *testing.T) {
	src, err := OpenSource(t.Context(), testDatabase(t), 1)
	if err != nil {
		t.Fatalf("OpenSource: %v", err)
	}
	defer src.Close()
	var g gateway
	cfg := testConfig(g.start(t))
	cfg.Count, cfg.Concurrency = 30, 3
	summary, err := run(t, cfg, src)
	if want := (Counts{Sent: 180, Acknowledged: 180}); err != nil || summary.Total() != want || len(g.requests()) != 180 {
		t.Errorf("%+v, %v, %d requests, want %+v", summary.Total(), err, len(g.requests()), want)
	}
}

func TestMySQLErrorsTellWhatIsMissing(t *testing.T) {
	address := testDatabase(t)
	cfg, err := mysqlConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := OpenMySQL(t.Context(), strings.Replace(address, ":"+cfg.Passwd+"@", ":hunter2@", 1), 1); err == nil ||
		!strings.Contains(err.Error(), "Access denied") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("wrong password: %v", err)
	}
	src, err := OpenMySQL(t.Context(), address, 1)
	if err != nil {
		t.Fatalf("OpenMySQL: %v", err)
	}
	defer src.Close()
	for _, step := range []struct{ statement, want string }{
		{"DELETE FROM user_data", "reading user_data with ind "},
		{"ALTER TABLE pinterest_data DROP COLUMN `index`", `of pinterest_data has no "index"`},
		{"DELETE FROM pinterest_data", "of pinterest_data: no such row"},
	} {
		if _, err := db.ExecContext(t.Context(), step.statement); err != nil {
			t.Fatal(err)
		}
		if _, err := src.Next(t.Context()); err == nil || !strings.Contains(err.Error(), step.want) {
			t.Errorf("after %s: %v, want %q", step.statement, err, step.want)
		}
	}
	if _, err := OpenMySQL(t.Context(), address, 1); err == nil || !strings.Contains(err.Error(), "the table is empty") {
		t.Errorf("empty table: %v", err)
	}
}

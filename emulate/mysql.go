package emulate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// connectTimeout bounds the dialling of the database, queryTimeout one row.
const (
	connectTimeout = 10 * time.Second
	queryTimeout   = 30 * time.Second
)

// MySQL draws random rows from the three tables of the users' database, for ever: the same row comes again and again.
// Values are written as json.dumps(row, default=str) writes them with the PyMySQL driver.
type MySQL struct {
	db   *sql.DB
	rows int // in pinterest_data
	dice *dice
}

// OpenMySQL connects to mysql://user:password@host:port/database and counts the rows. Special characters in user and password
// are percent-encoded. The port is 3306 when not given; ?tls=true, skip-verify or preferred asks for TLS.
// Errors never hold the password.
func OpenMySQL(ctx context.Context, address string, seed uint64) (*MySQL, error) {
	cfg, err := mysqlConfig(address)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, nameError("preparing MySQL at %s: %v", cfg.Addr, err)
	}
	m := &MySQL{db: sql.OpenDB(connector), dice: newDice(seed, 0, 0)}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err = m.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+pinTable).Scan(&m.rows)
	if err == nil && m.rows == 0 {
		err = errors.New("the table is empty")
	}
	if err != nil {
		m.db.Close()
		return nil, fmt.Errorf("counting the rows of %s in MySQL database %q at %s: %w", pinTable, cfg.DBName, cfg.Addr, err)
	}
	return m, nil
}

// mysqlConfig reads the address. Its errors quote nothing of it: in a wrong one the password may be anywhere.
func mysqlConfig(address string) (*mysql.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User.Username() == "" || strings.Trim(u.Path, "/") == "" || u.Fragment != "" {
		return nil, nameError("source mysql://…: not of the form mysql://user:password@host:port/database; " +
			"characters such as @ / : # %% in user or password are written %%40 %%2F %%3A %%23 %%25")
	}
	cfg := mysql.NewConfig()
	for name, values := range u.Query() {
		if name != "tls" {
			return nil, nameError("source mysql://…: unknown parameter %q, only tls is known", maskPassword(name))
		}
		cfg.TLSConfig = values[0]
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = connectTimeout, queryTimeout, queryTimeout
	// Rows as text in every query, as PyMySQL gets them: a FLOAT is then 6 digits, not 4 bytes.
	cfg.InterpolateParams = true
	cfg.Logger = &mysql.NopLogger{} // what it would say comes back as an error, too
	return cfg, nil
}

// Next draws a row of pinterest_data, and the rows of the other tables that belong to it.
func (m *MySQL) Next(ctx context.Context) (Post, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	row := m.dice.n(m.rows)
	pin, key, err := m.row(ctx, pinKey, "SELECT * FROM "+pinTable+" LIMIT ?,1", row)
	if err != nil {
		return Post{}, fmt.Errorf("reading row %d of %s: %w", row, pinTable, err)
	}
	post := Post{Pin: pin, Key: fmt.Sprint(key)}
	if key == nil || post.Key == "" {
		return Post{}, fmt.Errorf("row %d of %s has no %q", row, pinTable, pinKey)
	}
	if post.Geo, err = m.joined(ctx, geoTable, key); err != nil {
		return Post{}, err
	}
	post.User, err = m.joined(ctx, userTable, key)
	return post, err
}

// joined reads the row of a table that belongs to the key of a pin.
func (m *MySQL) joined(ctx context.Context, table string, key any) ([]byte, error) {
	event, _, err := m.row(ctx, otherKey, "SELECT * FROM "+table+" WHERE "+otherKey+" = ? LIMIT 1", key)
	if err != nil {
		return nil, fmt.Errorf("reading %s with %s %v: %w", table, otherKey, key, err)
	}
	return event, nil
}

// row runs a query for one row and gives it as a JSON object, and the value of the key column.
func (m *MySQL) row(ctx context.Context, keyColumn, query string, arg any) (object []byte, key any, err error) {
	rows, err := m.db.QueryContext(ctx, query, arg)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, nil, err
	}
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, nil, err
		}
		return nil, nil, errors.New("no such row")
	}
	values := make([]any, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return nil, nil, err
	}
	object = append(object, '{')
	for i, column := range columns {
		if i > 0 {
			object = append(object, ',')
		}
		object = appendString(object, column.Name())
		object = append(object, ':')
		if object, err = appendColumn(object, values[i], column.DatabaseTypeName()); err != nil {
			return nil, nil, fmt.Errorf("column %s: %w", column.Name(), err)
		}
		if column.Name() == keyColumn {
			if text, ok := values[i].([]byte); ok {
				values[i] = string(text)
			}
			key = values[i]
		}
	}
	return append(object, '}'), key, rows.Close()
}

// Close closes the connections.
func (m *MySQL) Close() error { return m.db.Close() }

// appendColumn writes one value as json.dumps(default=str) does: whole numbers and floats as numbers,
// DECIMAL, dates and all else as text.
func appendColumn(b []byte, value any, columnType string) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float32:
		return appendFloat(b, float64(v), 32), nil
	case float64:
		return appendFloat(b, v, 64), nil
	case []byte:
		if columnType == "DATETIME" || columnType == "TIMESTAMP" {
			return appendString(b, pythonTime(string(v))), nil
		}
		return appendString(b, string(v)), nil
	}
	return b, fmt.Errorf("value of Go type %T in a column of type %s", value, columnType)
}

// appendFloat writes a number as Python's repr: the fewest digits that give it back, always with a point or an exponent.
func appendFloat(b []byte, x float64, bitSize int) []byte {
	if size := math.Abs(x); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.AppendFloat(b, x, 'e', -1, bitSize)
	}
	start := len(b)
	b = strconv.AppendFloat(b, x, 'f', -1, bitSize)
	if !strings.Contains(string(b[start:]), ".") {
		b = append(b, ".0"...)
	}
	return b
}

// pythonTime turns MySQL's text of a time into Python's str(datetime): no fraction when it is zero, else six digits.
func pythonTime(text string) string {
	whole, fraction, found := strings.Cut(text, ".")
	if !found || strings.Trim(fraction, "0") == "" {
		return whole
	}
	return whole + "." + (fraction + "000000")[:6]
}

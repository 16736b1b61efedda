package emulate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

type pin struct {
	Index         int    `json:"index"`
	UniqueID      string `json:"unique_id"`
	Title         string `json:"title"`
	Description   string `json:"description"`
	PosterName    string `json:"poster_name"`
	FollowerCount string `json:"follower_count"`
	TagList       string `json:"tag_list"`
	Kind          string `json:"is_image_or_video"`
	ImageSrc      string `json:"image_src"`
	Downloaded    int    `json:"downloaded"`
	SaveLocation  string `json:"save_location"`
	Category      string `json:"category"`
}

type geo struct {
	Ind       int         `json:"ind"`
	Timestamp string      `json:"timestamp"`
	Latitude  json.Number `json:"latitude"`
	Longitude json.Number `json:"longitude"`
	Country   string      `json:"country"`
}

type user struct {
	Ind        int    `json:"ind"`
	FirstName  string `json:"first_name"`
	LastName   string `json:"last_name"`
	Age        int    `json:"age"`
	DateJoined string `json:"date_joined"`
}

func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
	return v
}

// TestSampleIsPinned fails when a sample post changes: the same seed gives the same bytes for ever.
func TestSampleIsPinned(t *testing.T) {
	sum := sha256.New()
	for row := range SampleRows {
		p := Sample(1).Post(row)
		fmt.Fprintf(sum, "%s\n%s\n%s\n%s\n", p.Key, p.Pin, p.Geo, p.User)
	}
	const want = "375c19b06ec9780689bbd94616c9e615a047b2dab61c848016a0c51c46ffe9bc"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("SHA-256 of all posts of seed 1 = %s, want %s", got, want)
	}
	// One post in full, so that a reviewer sees what they are.
	p := Sample(1).Post(7)
	got := fmt.Sprintf("%s\n%s\n%s", p.Pin, p.Geo, p.User)
	const wantPost = `{"index":7,"unique_id":"236a946a-0263-43bf-8727-3773004587a8","title":"Minimal garden supper","description":"Prices are from the corner shop, not from a catalogue. Half of it can be done the day before. Read to the end for the mistake we made. Leave room at the edges, you will want it later.","poster_name":"User Info Error","follower_count":"User Info Error","tag_list":"Clever,Soft Pattern,Little,Evening,Market Balcony","is_image_or_video":"multi-video(story page format)","image_src":"https://i.pictures.example/originals/f2/03/0a/f2030a91581303eaf01fea7888cb2cbc.jpg","downloaded":1,"save_location":"Local save in /data/event-planning","category":"event-planning"}
{"ind":7,"timestamp":"2018-01-03 08:40:10","latitude":54.1741,"longitude":75.9926,"country":"Bermuda"}
{"ind":7,"first_name":"José","last_name":"Nakamura","age":51,"date_joined":"2016-09-17 10:24:55"}`
	if diff := cmp.Diff(wantPost, got); diff != "" {
		t.Errorf("Sample(1).Post(7) (-want +got):\n%s", diff)
	}
}

func TestSampleRowsDependOnSeedAndRowOnly(t *testing.T) {
	source := Sample(3).Source()
	for row := range 2*SampleRows + 3 {
		got, err := source.Next(t.Context())
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if row%97 == 0 || row >= 2*SampleRows {
			if diff := cmp.Diff(Sample(3).Post(row%SampleRows), got); diff != "" {
				t.Fatalf("post %d (-want +got):\n%s", row, diff)
			}
		}
	}
	if bytes.Equal(Sample(3).Post(5).Pin, Sample(4).Post(5).Pin) {
		t.Errorf("seeds 3 and 4 have the same pin in row 5: %s", Sample(3).Post(5).Pin)
	}
}

func TestSampleHoldsTheContract(t *testing.T) {
	var (
		uuid     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		follower = regexp.MustCompile(`^([0-9]{1,3}|[0-9]{1,3}k|[0-9]{1,2}M|User Info Error)$`)
		image    = regexp.MustCompile(`^(https://[a-z.]+\.example/\S+\.jpg|Image src error\.)$`)
		degrees  = regexp.MustCompile(`^-?[0-9]{1,3}\.[0-9]{1,4}$`)
		kinds    = []string{"image", "video", multiVideo}
	)
	ids := map[string]bool{}
	peopleSeen, postersSeen := map[string]int{}, map[string]string{}
	var longest int
	for row := range SampleRows {
		post := Sample(1).Post(row)
		p, g, u := decode[pin](t, post.Pin), decode[geo](t, post.Geo), decode[user](t, post.User)
		if p.Index != row || g.Ind != row || u.Ind != row || post.Key != strconv.Itoa(row) {
			t.Fatalf("row %d has the numbers %d, %d, %d and the key %q", row, p.Index, g.Ind, u.Ind, post.Key)
		}
		for _, event := range [][]byte{post.Pin, post.Geo, post.User} {
			var compacted bytes.Buffer
			if err := json.Compact(&compacted, event); err != nil || !bytes.Equal(compacted.Bytes(), event) || !utf8.Valid(event) {
				t.Fatalf("row %d is not compact UTF-8 JSON: %s (%v)", row, event, err)
			}
		}
		if ids[p.UniqueID] || !uuid.MatchString(p.UniqueID) {
			t.Errorf("row %d: unique_id %q is no UUID or not unique", row, p.UniqueID)
		}
		ids[p.UniqueID] = true
		if !slices.Contains(categories[:], p.Category) || p.SaveLocation != "Local save in /data/"+p.Category {
			t.Errorf("row %d: category %q with save_location %q", row, p.Category, p.SaveLocation)
		}
		if !follower.MatchString(p.FollowerCount) || !image.MatchString(p.ImageSrc) || !slices.Contains(kinds, p.Kind) {
			t.Errorf("row %d: %q %q %q", row, p.FollowerCount, p.ImageSrc, p.Kind)
		}
		if (p.ImageSrc == noImage) != (p.Downloaded == 0) {
			t.Errorf("row %d: image_src %q, but downloaded %d", row, p.ImageSrc, p.Downloaded)
		}
		for name, value := range map[string]string{
			"title": p.Title, "description": p.Description, "tag_list": p.TagList, "poster_name": p.PosterName,
			"country": g.Country, "first_name": u.FirstName, "last_name": u.LastName,
		} {
			if strings.TrimSpace(value) == "" {
				t.Errorf("row %d: %s is blank", row, name)
			}
		}
		longest = max(longest, len(p.Description))
		checkDate(t, g.Timestamp, "2017-10-01", "2022-11-01")
		checkDate(t, u.DateJoined, "2015-10-01", "2017-11-01")
		for _, n := range []struct {
			value json.Number
			limit float64
		}{{g.Latitude, 90}, {g.Longitude, 180}} {
			x, err := n.value.Float64()
			if err != nil || x < -n.limit || x > n.limit || !degrees.MatchString(n.value.String()) {
				t.Errorf("row %d: %s degrees, want -%v to %v (%v)", row, n.value, n.limit, n.limit, err)
			}
			if python := string(appendFloat(nil, x, 64)); python != n.value.String() {
				t.Errorf("row %d: %s degrees, Python writes %s", row, n.value, python)
			}
		}
		if u.Age < 20 || u.Age > 60 {
			t.Errorf("row %d: age %d", row, u.Age)
		}
		peopleSeen[fmt.Sprint(u.FirstName, u.LastName, u.Age, u.DateJoined)]++
		if p.PosterName != noUserInfo && p.FollowerCount != noUserInfo {
			postersSeen[p.PosterName] = p.FollowerCount
		}
	}
	if len(ids) < 10_000 {
		t.Errorf("%d distinct posts, want at least 10000", len(ids))
	}
	if n := len(peopleSeen); n < 800 || n > people {
		t.Errorf("%d different people, want nearly %d", n, people)
	}
	if n := slices.Max(slices.Collect(maps.Values(peopleSeen))); n < 10 {
		t.Errorf("nobody has more than %d posts", n)
	}
	if longest < 2000 {
		t.Errorf("longest description has %d bytes, want some kB", longest)
	}
}

func checkDate(t *testing.T, text, from, until string) {
	t.Helper()
	date, err := time.Parse(time.DateTime, text)
	if err != nil || len(text) != len(time.DateTime) || text < from || text >= until {
		t.Errorf("date %q, want YYYY-MM-DD hh:mm:ss from %s until %s (%v, %v)", text, from, until, date, err)
	}
}

// TestSampleDirt holds every kind of dirt to its rate, with room for chance.
func TestSampleDirt(t *testing.T) {
	hasIn := func(tables ...*unicode.RangeTable) func(pin) bool {
		return func(p pin) bool {
			return strings.ContainsFunc(p.Title, func(r rune) bool { return unicode.In(r, tables...) })
		}
	}
	rows := []struct {
		name     string
		min, max float64 // of 100 posts
		is       func(pin) bool
	}{
		{"all placeholders at once", 2.5, 3.5, func(p pin) bool {
			return p.Title == noTitle && (p.Description == noDescription || p.Description == noStoryDescription) && p.PosterName == noUserInfo &&
				p.FollowerCount == noUserInfo && p.TagList == noTags && p.ImageSrc == noImage && p.Downloaded == 0
		}},
		{"no title", 7, 9, func(p pin) bool { return p.Title == noTitle }},
		{"no description", 5, 8, func(p pin) bool { return p.Description == noDescription }},
		{"no description, story", 3.5, 6, func(p pin) bool { return p.Description == noStoryDescription }},
		{"a story's description only on stories", 0, 0, func(p pin) bool { return p.Description == noStoryDescription && p.Kind != multiVideo }},
		{"no poster", 6, 8, func(p pin) bool { return p.PosterName == noUserInfo }},
		{"no followers", 7, 10, func(p pin) bool { return p.FollowerCount == noUserInfo }},
		{"poster without followers", 1, 2, func(p pin) bool { return p.FollowerCount == noUserInfo && p.PosterName != noUserInfo }},
		{"no tags", 7, 9, func(p pin) bool { return p.TagList == noTags }},
		{"no image", 6, 8, func(p pin) bool { return p.ImageSrc == noImage }},
		{"emoji in the title", 2, 5, hasIn(unicode.So, unicode.Sk)},
		{"right-to-left title", 0.8, 2, hasIn(unicode.Hebrew, unicode.Arabic)},
		{"title in another script", 0.8, 3, hasIn(unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Cyrillic, unicode.Greek, unicode.Hangul, unicode.Devanagari)},
		{"quotes in the title", 2, 4, func(p pin) bool { return strings.ContainsAny(p.Title, `"`) && strings.ContainsAny(p.Title, `'\`) }},
		{"one-letter title", 0.5, 1.5, func(p pin) bool { return utf8.RuneCountInString(p.Title) == 1 }},
		{"line break in the description", 5, 40, func(p pin) bool { return strings.Contains(p.Description, "\n") }},
		{"poster name all digits", 0.5, 4, func(p pin) bool { _, err := strconv.Atoi(p.PosterName); return err == nil }},
		{"0 followers", 0.5, 4, func(p pin) bool { return p.FollowerCount == "0" }},
		{"k followers", 50, 75, func(p pin) bool { return strings.HasSuffix(p.FollowerCount, "k") }},
		{"M followers", 2, 12, func(p pin) bool { return strings.HasSuffix(p.FollowerCount, "M") }},
		{"video", 3, 10, func(p pin) bool { return p.Kind == "video" }},
		{"multi-video", 12, 25, func(p pin) bool { return p.Kind == multiVideo }},
	}
	for _, seed := range []Sample{1, 1 << 63} {
		counts := make([]int, len(rows))
		for row := range SampleRows {
			p := decode[pin](t, seed.Post(row).Pin)
			for i := range rows {
				if rows[i].is(p) {
					counts[i]++
				}
			}
		}
		for i, row := range rows {
			if share := 100 * float64(counts[i]) / SampleRows; share < row.min || share > row.max {
				t.Errorf("seed %d: %s: %.2f %%, want %v to %v %%", seed, row.name, share, row.min, row.max)
			}
		}
	}
}

func TestSampleHasEveryCategoryAndCountry(t *testing.T) {
	seen := map[string]bool{}
	for row := range SampleRows {
		post := Sample(1).Post(row)
		seen[decode[pin](t, post.Pin).Category] = true
		seen[decode[geo](t, post.Geo).Country] = true
	}
	for _, want := range append(categories[:], countries[:]...) {
		if !seen[want] {
			t.Errorf("no post with %q", want)
		}
	}
}

func TestAppendDegrees(t *testing.T) {
	for in, want := range map[int]string{
		0: "0.0", 5: "0.0005", -5: "-0.0005", 10_000: "1.0", 10_500: "1.05", -899_787: "-89.9787", 999_999: "99.9999",
		1_000_000: "100.0", -1_732_930: "-173.293", -1_732_938: "-173.293", 1_800_000: "180.0", 1_000_090: "100.009",
	} {
		if got := string(appendDegrees(nil, in)); got != want {
			t.Errorf("appendDegrees(%d) = %s, want %s", in, got, want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "a\"b\\c\n\r\t\x00\x1f\x7f", "é😀\u2028<>&", "\xff\xc3", "\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := appendString(nil, text)
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil {
			t.Fatalf("appendString(%q) = %q: %v", text, quoted, err)
		}
		// encoding/json, too, puts U+FFFD in the place of each byte that is not UTF-8.
		var want string
		if text, err := json.Marshal(text); err != nil || json.Unmarshal(text, &want) != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("appendString(%q) reads back as %q, want %q", text, got, want)
		}
	})
}

func BenchmarkSamplePost(b *testing.B) {
	b.ReportAllocs()
	var size, row int
	for b.Loop() {
		p := Sample(1).Post(row % SampleRows)
		size += len(p.Pin) + len(p.Geo) + len(p.User)
		row++
	}
	b.SetBytes(int64(size / row))
	b.ReportMetric(float64(row)/b.Elapsed().Seconds(), "posts/s")
}

package emulate

import (
	"context"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// SampleRows is the number of rows that the sample source goes through before it begins again at row 0:
// as many as the database of the public exercise has.
const SampleRows = 11000

// The values that a failed scrape leaves behind, as lakehouse users know them.
const (
	noTitle            = "No Title Data Available"
	noDescription      = "No description available"
	noStoryDescription = "No description available Story format"
	noUserInfo         = "User Info Error"
	noTags             = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"
	noImage            = "Image src error."
	multiVideo         = "multi-video(story page format)"
)

// How often dirt occurs, in posts of 1,000. A failed scrape has all placeholders at once.
// The single ones are drawn for the other posts, each by itself.
const (
	permilleFailed           = 30
	permilleNoTitle          = 50
	permilleNoDescription    = 40
	permilleStoryDescription = 40
	permilleNoUser           = 40 // poster_name and follower_count together
	permilleNoFollowers      = 15 // follower_count alone
	permilleNoTags           = 50
	permilleNoImage          = 40
)

// Titles out of the ordinary, as limits of one throw of 1,000: 40 have emoji, 15 run from right to left, and so on.
const (
	emojiTitles  = 40
	rtlTitles    = emojiTitles + 15
	scriptTitles = rtlTitles + 20
	quoteTitles  = scriptTitles + 30
	shortTitles  = quoteTitles + 10
)

// How many people and posters there are for the posts to share.
const (
	people  = 900
	posters = 2500
)

// Days that the dates lie between: posts 2017-10-01 to 2022-10-31, joiners 2015-10-01 to 2017-10-31.
// Unix seconds, UTC, the end is exclusive.
const (
	postsFrom   = 1506816000
	postsUntil  = 1667260800
	joinedFrom  = 1443657600
	joinedUntil = 1509494400
)

// Sample is the built-in source of invented posts: its number is the seed.
// The same seed and row give the same bytes in every run and on every machine.
type Sample uint64

// Post makes the post of a row: pin.index, geo.ind and user.ind are the row number.
// Rows are usually 0 to SampleRows-1, but any number works.
func (s Sample) Post(row int) Post {
	buf := make([]byte, 0, 1280) // 99 of 100 posts fit
	buf = s.appendPin(buf, row)
	pin := len(buf)
	buf = s.appendGeo(buf, row)
	geo := len(buf)
	buf = s.appendUser(buf, row)
	return Post{
		Key:  strconv.Itoa(row),
		Pin:  buf[:pin:pin],
		Geo:  buf[pin:geo:geo],
		User: buf[geo:],
	}
}

// Source walks over the rows in order, 0 to SampleRows-1 and from 0 again, without end.
func (s Sample) Source() Source {
	return &sampleSource{sample: s}
}

type sampleSource struct {
	sample Sample
	row    int
}

func (s *sampleSource) Next(context.Context) (Post, error) {
	post := s.sample.Post(s.row)
	s.row = (s.row + 1) % SampleRows
	return post, nil
}

func (s *sampleSource) Close() error { return nil }

// The parts of a post draw from dice of their own, so that a change to one leaves the others as they are.
const (
	pinDice uint64 = iota + 1
	geoDice
	userDice
	personDice
	posterDice
)

func (s Sample) appendPin(b []byte, row int) []byte {
	d := newDice(uint64(s), pinDice, row)
	category := d.n(len(categories))
	failed := d.permille(permilleFailed)

	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(row), 10)
	b = append(b, `,"unique_id":"`...)
	b = d.appendUUID(b)
	b = append(b, `","title":`...)
	if title, other := d.title(category), d.permille(permilleNoTitle); failed || other {
		b = appendString(b, noTitle)
	} else {
		b = appendString(b, title)
	}

	b = append(b, `,"description":`...)
	kind := "image"
	switch roll := d.n(100); {
	case roll < 15:
		kind = multiVideo
	case roll < 21:
		kind = "video"
	}
	switch roll := d.n(1000); {
	case failed && kind != multiVideo, roll < permilleNoDescription:
		b = appendString(b, noDescription)
	case failed, roll < permilleNoDescription+permilleStoryDescription:
		b, kind = appendString(b, noStoryDescription), multiVideo
	default:
		b = d.appendDescription(b)
	}

	b = append(b, `,"poster_name":`...)
	poster := s.poster(min(d.n(posters), d.n(posters))) // the low numbers post more often
	noUser, noFollowers := d.permille(permilleNoUser), d.permille(permilleNoFollowers)
	if failed || noUser {
		b = appendString(b, noUserInfo)
	} else {
		b = appendString(b, poster.name)
	}
	b = append(b, `,"follower_count":`...)
	if failed || noUser || noFollowers {
		b = appendString(b, noUserInfo)
	} else {
		b = appendString(b, poster.followers)
	}

	b = append(b, `,"tag_list":`...)
	if d.permille(permilleNoTags) || failed {
		b = appendString(b, noTags)
	} else {
		b = d.appendTags(b)
	}

	b = append(b, `,"is_image_or_video":`...)
	b = appendString(b, kind)
	b = append(b, `,"image_src":`...)
	if d.permille(permilleNoImage) || failed {
		b = appendString(b, noImage)
		b = append(b, `,"downloaded":0`...)
	} else {
		b = d.appendImageURL(b)
		b = append(b, `,"downloaded":1`...)
	}
	b = append(b, `,"save_location":"Local save in /data/`...)
	b = append(b, categories[category]...)
	b = append(b, `","category":"`...)
	b = append(b, categories[category]...)
	return append(b, `"}`...)
}

func (s Sample) appendGeo(b []byte, row int) []byte {
	d := newDice(uint64(s), geoDice, row)
	b = append(b, `{"ind":`...)
	b = strconv.AppendInt(b, int64(row), 10)
	b = append(b, `,"timestamp":"`...)
	b = appendDate(b, postsFrom+d.n(postsUntil-postsFrom))
	b = append(b, `","latitude":`...)
	b = appendDegrees(b, d.n(1_800_001)-900_000)
	b = append(b, `,"longitude":`...)
	b = appendDegrees(b, d.n(3_600_001)-1_800_000)
	b = append(b, `,"country":`...)
	b = appendString(b, countries[min(d.n(len(countries)), d.n(len(countries)))])
	return append(b, '}')
}

func (s Sample) appendUser(b []byte, row int) []byte {
	d := newDice(uint64(s), userDice, row)
	person := newDice(uint64(s), personDice, d.n(people))
	b = append(b, `{"ind":`...)
	b = strconv.AppendInt(b, int64(row), 10)
	b = append(b, `,"first_name":`...)
	b = appendString(b, pick(person, firstNames[:]))
	b = append(b, `,"last_name":`...)
	b = appendString(b, pick(person, lastNames[:]))
	b = append(b, `,"age":`...)
	b = strconv.AppendInt(b, int64(20+min(person.n(41), person.n(41))), 10) // 20 to 60, more of them young
	b = append(b, `,"date_joined":"`...)
	b = appendDate(b, joinedFrom+person.n(joinedUntil-joinedFrom))
	return append(b, `"}`...)
}

type poster struct{ name, followers string }

// poster makes the poster of a number: name and followers are the same in all its posts.
func (s Sample) poster(number int) poster {
	d := newDice(uint64(s), posterDice, number)
	p := poster{name: pick(d, posterFirst[:]) + " " + pick(d, posterLast[:])}
	switch roll := d.n(100); {
	case roll < 2:
		p.name = strconv.Itoa(100 + d.n(900)) // all digits, like 967
	case roll < 6:
		p.name += " | " + pick(d, tagWords[:])
	}
	switch roll := d.n(100); {
	case roll < 2:
		p.followers = "0"
	case roll < 27:
		p.followers = strconv.Itoa(1 + d.n(999))
	case roll < 92:
		p.followers = strconv.Itoa(1+min(d.n(999), d.n(999))) + "k"
	default:
		p.followers = strconv.Itoa(1+min(d.n(12), d.n(12))) + "M"
	}
	return p
}

func (d *dice) title(category int) string {
	subject := pick(d, subjects[category][:])
	plain := pick(d, leads[:]) + " " + subject
	if d.n(2) == 0 {
		plain += " " + pick(d, tails[:])
	}
	switch roll := d.n(1000); {
	case roll < emojiTitles:
		return plain + " " + pick(d, emoji[:])
	case roll < rtlTitles:
		return pick(d, rightToLeft[:])
	case roll < scriptTitles:
		return pick(d, otherScripts[:])
	case roll < quoteTitles:
		return `"` + subject + `" – the 'real' one\`
	case roll < shortTitles:
		return pick(d, oneLetter[:])
	}
	return plain
}

// appendDescription writes one to six sentences; of 100 posts one has up to some kB in several paragraphs.
func (d *dice) appendDescription(b []byte) []byte {
	count := 1 + d.n(6)
	if d.n(100) == 0 {
		count = 20 + d.n(50)
	}
	b = append(b, '"')
	for i := range count {
		switch {
		case i == 0:
		case d.n(8) == 0:
			b = append(b, `\n\n`...)
		default:
			b = append(b, ' ')
		}
		b = appendEscaped(b, pick(d, sentences[:]))
		b = append(b, '.')
	}
	if d.n(12) == 0 {
		b = append(b, ' ')
		b = append(b, pick(d, emoji[:])...)
	}
	return append(b, '"')
}

func (d *dice) appendTags(b []byte) []byte {
	b = append(b, '"')
	for i := range 3 + d.n(7) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, pick(d, tagWords[:])...)
		if d.n(3) > 0 {
			b = append(b, ' ')
			b = append(b, pick(d, tagWords[:])...)
		}
	}
	return append(b, '"')
}

// appendImageURL writes an address under .example, a name that never resolves (RFC 2606).
func (d *dice) appendImageURL(b []byte) []byte {
	var hex [32]byte
	appendHex(appendHex(hex[:0], d.next()), d.next())
	b = append(b, `"https://i.pictures.example/originals/`...)
	for i := 0; i < 6; i += 2 {
		b = append(b, hex[i:i+2]...)
		b = append(b, '/')
	}
	b = append(b, hex[:]...)
	return append(b, `.jpg"`...)
}

// appendUUID writes a version 4 UUID (RFC 9562).
func (d *dice) appendUUID(b []byte) []byte {
	var hex [32]byte
	high := d.next()&^0xf000 | 0x4000
	low := d.next()&^(3<<62) | 2<<62
	appendHex(appendHex(hex[:0], high), low)
	for i, c := range hex {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		b = append(b, c)
	}
	return b
}

// appendDate writes Unix seconds as the posting scripts do: YYYY-MM-DD hh:mm:ss, UTC.
func appendDate(b []byte, seconds int) []byte {
	return time.Unix(int64(seconds), 0).UTC().AppendFormat(b, time.DateTime)
}

// appendDegrees writes ten-thousandths of a degree with at most six digits, as a MySQL FLOAT column and Python do:
// -89.9787, -173.293, 7.0. It counts in whole numbers, so that all machines write the same.
func appendDegrees(b []byte, tenThousandths int) []byte {
	if tenThousandths < 0 {
		b = append(b, '-')
		tenThousandths = -tenThousandths
	}
	fraction, digits := tenThousandths%10_000, 4
	if tenThousandths >= 1_000_000 {
		fraction, digits = fraction/10, 3
	}
	for digits > 1 && fraction%10 == 0 {
		fraction, digits = fraction/10, digits-1
	}
	b = strconv.AppendInt(b, int64(tenThousandths/10_000), 10)
	b = append(b, '.')
	for power := [...]int{1, 1, 10, 100, 1000}[digits]; power > 1 && fraction < power; power /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(fraction), 10)
}

const hexDigits = "0123456789abcdef"

func appendHex(b []byte, x uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[x>>shift&15])
	}
	return b
}

// appendString writes text as a JSON string. Letters stay UTF-8, and <, > and & stay as they are.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	b = appendEscaped(b, text)
	return append(b, '"')
}

// appendEscaped writes the inside of a JSON string. A byte that is not UTF-8 becomes U+FFFD.
func appendEscaped(b []byte, text string) []byte {
	done := 0 // text[:done] is written
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, size = utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, text[done:i]...)
		b = appendEscape(b, r)
		i += size
		done = i
	}
	return append(b, text[done:]...)
}

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	case utf8.RuneError:
		return append(b, "\ufffd"...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
}

// dice is a splitmix64 generator: a few lines that no library update changes.
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
type dice uint64

// newDice gives the dice of one number within one kind of thing: they don't depend on how often others were thrown.
func newDice(seed, kind uint64, number int) *dice {
	d := dice(seed)
	d = dice(d.next() ^ kind)
	d = dice(d.next() ^ uint64(number))
	return &d
}

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// n throws a number from 0 to limit-1.
func (d *dice) n(limit int) int {
	high, _ := bits.Mul64(d.next(), uint64(limit))
	return int(high)
}

func (d *dice) permille(share int) bool { return d.n(1000) < share }

func pick(d *dice, list []string) string { return list[d.n(len(list))] }

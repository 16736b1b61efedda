package embedded

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
)

// token is what a shard iterator or a NextToken stands for. Clients see it sealed.
type token struct {
	Made    int64  `json:"t"` // ms since 1970
	Stream  string `json:"s,omitempty"`
	Created int64  `json:"c,omitempty"` // of the stream, ms since 1970: another one of that name is another stream
	Shard   int    `json:"h,omitempty"` // iterator: the shard; ListShards: the last one that was listed
	Index   uint64 `json:"i,omitempty"` // iterator: of the record to read next
	Filter  string `json:"f,omitempty"` // ListShards: the filter's type
	At      int64  `json:"a,omitempty"` // ListShards: the filter's time, ms since 1970
}

// tokenKind is the first byte of a sealed token.
type tokenKind byte

const (
	iteratorToken tokenKind = 1 + iota
	streamsToken
	shardsToken
)

// seal turns t into text that reads as the service's own do: base64 of a header and of
// bytes that mean nothing to a client. It stays under the 512 characters of an iterator.
func (t token) seal(kind tokenKind) string {
	body, err := json.Marshal(t)
	if err != nil {
		panic(err) // a bug: token has only numbers and texts
	}
	sealed := append([]byte{0, 0, 0, 0, 0, 0, 0, byte(kind)}, body...)
	sealed = binary.BigEndian.AppendUint32(sealed, crc32.ChecksumIEEE(sealed))
	return base64.StdEncoding.EncodeToString(sealed)
}

// openToken reads what seal wrote; false: it was not us who wrote it.
func openToken(kind tokenKind, text string) (token, bool) {
	var t token
	sealed, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < 12 {
		return t, false
	}
	body, sum := sealed[:len(sealed)-4], binary.BigEndian.Uint32(sealed[len(sealed)-4:])
	if crc32.ChecksumIEEE(body) != sum || binary.BigEndian.Uint64(body) != uint64(kind) {
		return t, false
	}
	return t, json.Unmarshal(body[8:], &t) == nil
}

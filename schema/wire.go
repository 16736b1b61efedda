package schema

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	magic       = 0 // first byte of everything that has a schema
	prefixBytes = 5 // magic and id
)

// readPrefix splits bytes into the schema's id and what follows.
func readPrefix(data []byte) (id int, body []byte, err error) {
	if len(data) < prefixBytes || data[0] != magic {
		return 0, nil, &DataError{"Unknown magic byte!"}
	}
	return int(int32(binary.BigEndian.Uint32(data[1:]))), data[prefixBytes:], nil
}

func textHash(text string) [32]byte { return sha256.Sum256([]byte(text)) }

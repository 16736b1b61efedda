package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// errShort says that there are fewer bytes than the schema asks for.
var errShort = errors.New("the bytes end in the middle of a value")

// reader walks over Avro's bytes.
type reader struct {
	data  []byte
	depth int
	limit int // of the text that is made of it
}

// Of a few bytes a schema can make much text: names of fields, arrays of nulls. More than this is no
// honest record.
const (
	textFactor = 256
	textFloor  = 1 << 20
)

func (c *avroCodec) decode(dst, data []byte) ([]byte, error) {
	if c.root.kind == kindBytes {
		return appendLatin1(dst, data), nil // see encodeBare
	}
	r := reader{data: data, limit: len(dst) + textFloor + textFactor*len(data)}
	out, err := c.root.decode(dst, &r)
	switch {
	case err != nil:
		return dst, err
	case len(r.data) > 0:
		return dst, fmt.Errorf("%d bytes are left behind the value", len(r.data))
	}
	return out, nil
}

func (r *reader) long() (int64, error) {
	n, size := binary.Varint(r.data)
	if size <= 0 {
		if size == 0 {
			return 0, errShort
		}
		return 0, errors.New("a number has more than 64 bits")
	}
	r.data = r.data[size:]
	return n, nil
}

func (r *reader) bytes(n int64) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("a length is negative: %d", n)
	}
	if n > int64(len(r.data)) {
		return nil, errShort
	}
	data := r.data[:n]
	r.data = r.data[n:]
	return data, nil
}

// text reads what has its length before it.
func (r *reader) text() ([]byte, error) {
	n, err := r.long()
	if err != nil {
		return nil, err
	}
	return r.bytes(n)
}

// enter goes one level down. Who has entered leaves.
func (r *reader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return fmt.Errorf("the value is nested more than %d deep", maxDepth)
	}
	return nil
}

func (r *reader) leave() { r.depth-- }

// decode writes the next value as Avro's JSON.
func (n *avroNode) decode(dst []byte, r *reader) ([]byte, error) {
	if len(dst) > r.limit {
		return dst, fmt.Errorf("the value becomes text of more than %d bytes", r.limit)
	}
	switch n.kind {
	case kindNull:
		return append(dst, "null"...), nil
	case kindBoolean:
		b, err := r.bytes(1)
		if err != nil {
			return dst, err
		}
		return strconv.AppendBool(dst, b[0] == 1), nil
	case kindInt:
		i, err := r.long()
		if err == nil && int64(int32(i)) != i {
			err = fmt.Errorf("an int has more than 32 bits")
		}
		return strconv.AppendInt(dst, i, 10), err
	case kindLong:
		i, err := r.long()
		return strconv.AppendInt(dst, i, 10), err
	case kindFloat:
		b, err := r.bytes(4)
		if err != nil {
			return dst, err
		}
		return appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32), nil
	case kindDouble:
		b, err := r.bytes(8)
		if err != nil {
			return dst, err
		}
		return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64), nil
	case kindString:
		text, err := r.text()
		return appendJSONString(dst, text), err
	case kindBytes:
		data, err := r.text()
		return appendLatin1(dst, data), err
	case kindFixed:
		data, err := r.bytes(int64(n.size))
		return appendLatin1(dst, data), err
	case kindEnum:
		return n.decodeEnum(dst, r)
	case kindArray:
		return n.decodeBlocks(dst, r, '[', ']')
	case kindMap:
		return n.decodeBlocks(dst, r, '{', '}')
	case kindUnion:
		return n.decodeUnion(dst, r)
	}
	return n.decodeRecord(dst, r)
}

func (n *avroNode) decodeEnum(dst []byte, r *reader) ([]byte, error) {
	i, err := r.long()
	if err != nil {
		return dst, err
	}
	if i < 0 || i >= int64(len(n.symbols)) {
		return dst, fmt.Errorf("enum %s has no symbol %d", n.label, i)
	}
	return appendJSONString(dst, []byte(n.symbols[i])), nil
}

// decodeBlocks writes the items of an array or map.
func (n *avroNode) decodeBlocks(dst []byte, r *reader, open, end byte) ([]byte, error) {
	if err := r.enter(); err != nil {
		return dst, err
	}
	defer r.leave()
	dst = append(dst, open)
	for first := true; ; {
		count, err := r.long()
		if err != nil {
			return dst, err
		}
		if count == 0 {
			return append(dst, end), nil
		}
		if count < 0 { // its size in bytes follows
			if _, err := r.long(); err != nil {
				return dst, err
			}
			if count = -count; count < 0 {
				return dst, errors.New("a block has more than 2^63 items")
			}
		}
		for ; count > 0; count-- {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if n.kind == kindMap {
				name, err := r.text()
				if err != nil {
					return dst, err
				}
				dst = append(appendJSONString(dst, name), ':')
			}
			if dst, err = n.items.decode(dst, r); err != nil {
				return dst, err
			}
		}
	}
}

func (n *avroNode) decodeUnion(dst []byte, r *reader) ([]byte, error) {
	i, err := r.long()
	if err != nil {
		return dst, err
	}
	if i < 0 || i >= int64(len(n.branches)) {
		return dst, fmt.Errorf("a union of %d types has none of number %d", len(n.branches), i)
	}
	branch := n.branches[i]
	if branch.kind == kindNull {
		return append(dst, "null"...), nil
	}
	if err := r.enter(); err != nil {
		return dst, err
	}
	defer r.leave()
	dst = append(appendJSONString(append(dst, '{'), []byte(branch.label)), ':')
	dst, err = branch.decode(dst, r)
	return append(dst, '}'), err
}

func (n *avroNode) decodeRecord(dst []byte, r *reader) ([]byte, error) {
	if err := r.enter(); err != nil {
		return dst, err
	}
	defer r.leave()
	dst = append(dst, '{')
	for i := range n.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		field := &n.fields[i]
		var err error
		if dst, err = field.node.decode(append(dst, field.quote...), r); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

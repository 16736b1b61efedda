package schema

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// protoCodec is a Protobuf schema as valueCodec. Values are messages of the file's first type when they
// are written, of any of its types when they are read.
type protoCodec struct {
	file  protoreflect.FileDescriptor
	types linker.Resolver // for google.protobuf.Any
	text  string
}

// rootFile is the name of the schema itself: no reference has it.
const rootFile = "headrace-schema.proto"

// Imports that Confluent's serializers know without a reference.
var (
	//go:embed confluent/meta.proto
	confluentMeta string
	//go:embed confluent/type/decimal.proto
	confluentDecimal string
)

// newProto reads a schema. Imports are found in refs by their names, and among those that come with
// Protobuf and with Confluent's serializers. name is the full name of the first message.
func newProto(ctx context.Context, text string, refs []reference) (codec valueCodec, name string, err error) {
	files := map[string]string{
		"confluent/meta.proto": confluentMeta, "confluent/type/decimal.proto": confluentDecimal, "confluent/types/decimal.proto": confluentDecimal,
	}
	for _, ref := range refs {
		files[ref.name] = ref.text
	}
	files[rootFile] = text
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(protoSources(files)),
		MaxParallelism: 1,
	}
	linked, err := compiler.Compile(ctx, rootFile)
	if err != nil {
		return nil, "", err
	}
	file := linked[0]
	if file.Messages().Len() == 0 {
		return nil, "", errors.New("the schema has no message")
	}
	return &protoCodec{file: file, types: linked.AsResolver(), text: text}, string(file.Messages().Get(0).FullName()), nil
}

// protoSources are files by their names. Some clients register a serialized descriptor in base64, where
// others have the text.
type protoSources map[string]string

// FindFileByPath is a method of protocompile.Resolver.
func (f protoSources) FindFileByPath(path string) (protocompile.SearchResult, error) {
	text, ok := f[path]
	if !ok {
		return protocompile.SearchResult{}, fmt.Errorf("%q is not among the schema's references", path)
	}
	if data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
		file := &descriptorpb.FileDescriptorProto{}
		if proto.Unmarshal(data, file) == nil && file.Name != nil {
			file.Name = new(path)
			return protocompile.SearchResult{Proto: file}, nil
		}
	}
	return protocompile.SearchResult{Source: io.NopCloser(strings.NewReader(text))}, nil
}

func (c *protoCodec) encode(dst, text []byte) ([]byte, error) {
	m := dynamicpb.NewMessage(c.file.Messages().Get(0))
	if first := (&cursor{text: text}).peek(); first != '{' && plainMessage(m) {
		return dst, fmt.Errorf("Expect message object but got: %s", shortened(string(text))) //nolint:staticcheck // Protobuf's words, in Java
	}
	opts := protojson.UnmarshalOptions{Resolver: c.types, RecursionLimit: maxDepth}
	if err := opts.Unmarshal(text, m); err != nil {
		return dst, errors.New(protoReason(err))
	}
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
}

// plainMessage reports whether a message is an object in JSON: google.protobuf's own may be a text or a list.
func plainMessage(m protoreflect.ProtoMessage) bool {
	return !strings.HasPrefix(string(m.ProtoReflect().Descriptor().FullName()), "google.protobuf.")
}

// protoPrefix is what Protobuf's errors begin with, and where they were found: the values of one request
// stand in many places.
var protoPrefix = regexp.MustCompile(`^(proto:[\s\x{00a0}]*)?(syntax error )?(\(line \d+:\d+\):\s*)?`)

func protoReason(err error) string { return protoPrefix.ReplaceAllString(err.Error(), "") }

func (c *protoCodec) decode(dst, data []byte) ([]byte, error) {
	path, body, err := readIndexes(data)
	if err != nil {
		return dst, err
	}
	descriptor, err := c.message(path)
	if err != nil {
		return dst, err
	}
	m := dynamicpb.NewMessage(descriptor)
	opts := proto.UnmarshalOptions{Resolver: c.types, RecursionLimit: maxDepth}
	if err := opts.Unmarshal(body, m); err != nil {
		return dst, errors.New(protoReason(err))
	}
	if limit := textFloor + textFactor*len(data); defaultsOf(m, limit) > limit {
		return dst, fmt.Errorf("the value becomes text of more than %d bytes", limit)
	}
	text, err := protojson.MarshalOptions{EmitDefaultValues: true, Resolver: c.types}.Marshal(m)
	if err != nil {
		return dst, errors.New(protoReason(err))
	}
	return appendCompact(dst, text), nil // the library puts in spaces as it pleases
}

// defaultsOf is about how much text the names of all fields of a message and of those in it are. It
// stops beyond limit: a message of two bytes may have a thousand fields.
func defaultsOf(m protoreflect.Message, limit int) int {
	size := 0
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		size += len(fields.Get(i).JSONName()) + len(`"":"",`)
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				size += defaultsOf(v.Message(), limit-size)
				return size <= limit
			})
		case field.IsList() && field.Message() != nil:
			for i := 0; i < v.List().Len() && size <= limit; i++ {
				size += defaultsOf(v.List().Get(i).Message(), limit-size)
			}
		case !field.IsMap() && !field.IsList() && field.Message() != nil:
			size += defaultsOf(v.Message(), limit-size)
		}
		return size <= limit
	})
	return size
}

// maxIndexes bounds messages within messages.
const maxIndexes = 100

// readIndexes reads which message of the file it is: its index among the file's messages, then among
// that message's own, and so on. A single zero stands for the first.
func readIndexes(data []byte) (path []int, body []byte, err error) {
	count, size := binary.Varint(data)
	if size <= 0 || count < 0 || count > maxIndexes {
		return nil, nil, errors.New("the list of message indexes is broken")
	}
	data = data[size:]
	if count == 0 {
		return []int{0}, data, nil
	}
	for range count {
		index, size := binary.Varint(data)
		if size <= 0 || index < 0 || index > 1<<20 {
			return nil, nil, errors.New("the list of message indexes is broken")
		}
		path, data = append(path, int(index)), data[size:]
	}
	return path, data, nil
}

// message finds a type by its indexes.
func (c *protoCodec) message(path []int) (protoreflect.MessageDescriptor, error) {
	var found protoreflect.MessageDescriptor
	for messages, i := c.file.Messages(), 0; i < len(path); messages, i = found.Messages(), i+1 {
		if found = messageAt(messages, path[i]); found == nil {
			return nil, fmt.Errorf("the schema has no message of indexes %v", path[:i+1])
		}
	}
	return found, nil
}

// messageAt counts as Java's serializer does: the hidden message of a map's entries is none. Other
// languages' count it; their index is taken where Java's leads nowhere.
func messageAt(messages protoreflect.MessageDescriptors, index int) protoreflect.MessageDescriptor {
	for i, seen := 0, 0; i < messages.Len(); i++ {
		if messages.Get(i).IsMapEntry() {
			continue
		}
		if seen == index {
			return messages.Get(i)
		}
		seen++
	}
	if index < messages.Len() && !messages.Get(index).IsMapEntry() {
		return messages.Get(index)
	}
	return nil
}

func (c *protoCodec) kafkaNull([]byte) bool { return false }

func (c *protoCodec) indexes() []byte { return []byte{0} } // the first message

func (c *protoCodec) canonical() string { return c.text }

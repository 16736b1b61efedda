package sink

import (
	"strings"
	"testing"

	"headrace/kafkaclient"
	"headrace/record"
)

func recordOf(value []byte) record.Record { return record.Record{Topic: "t", Value: value} }

func TestJSONLines(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := []struct {
		name, value, want string
		verdict           verdict
	}{
		{"text is kept", `{"b":1,"a":1.10,"a":"\u00e9","n":12345678901234567890}`, `{"b":1,"a":1.10,"a":"\u00e9","n":12345678901234567890}`, writable},
		{"white space goes", " {\n\t\"a\" : [ 1 , 2 ] }\r\n", `{"a":[1,2]}`, writable},
		{"white space in strings stays", `{"a b" : " c "}`, `{"a b":" c "}`, writable},
		{"a byte order mark goes", "\ufeff{\"a\":1}", `{"a":1}`, writable},
		{"UTF-16 is understood", "{\x00}\x00", `{}`, writable},
		{"any kind at the top", `"x"`, `"x"`, writable},
		{"a number at the top", ` 12 `, `12`, writable},
		{"a leading zero goes", `{"a":01,"b":-007,"c":00.5}`, `{"a":1,"b":-7,"c":0.5}`, writable},
		{"the first value only", `{"a":1} xyz`, `{"a":1}`, writable},
		{"two objects without a space", `{"a":1}{"b":2}`, `{"a":1}`, writable},
		{"two numbers with a space", `1 2`, `1`, writable},
		{"null", ` null `, ``, nullValue},
		{"nothing", ``, ``, nullValue},
		{"blank", " \n\t", ``, nullValue},
		{"only a byte order mark", "\ufeff", ``, nullValue},
		{"depth 1000", deep(1000), deep(1000), writable},
		{"depth 1001", deep(1001), ``, badValue},
		{"plain text", `hello`, ``, badValue},
		{"cut off", `{"a":`, ``, badValue},
		{"cut off in a string", `{"a":"`, ``, badValue},
		{"NaN", `NaN`, ``, badValue},
		{"NaN inside", `{"a":NaN}`, ``, badValue},
		{"single quotes", `{'a':1}`, ``, badValue},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", ``, badValue},
		{"a trailing comma", `[1,]`, ``, badValue},
		{"a raw control character", "\"\x01\"", ``, badValue},
		{"a number glued to a word", `1x`, ``, badValue},
		{"a number glued to a comma", `1,2`, ``, badValue},
		{"a literal glued to a letter", `nullx`, ``, badValue},
		{"a literal before a comma", `true,1`, `true`, writable},
	}
	cfg := Config{}
	l := newLines(&cfg)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := recordOf([]byte(tt.value))
			got, what, err := l.appendTo([]byte("before\n"), &rec)
			want := "before\n"
			if tt.verdict == writable {
				want += tt.want + "\n"
			}
			if string(got) != want || what != tt.verdict {
				t.Errorf("appendTo = %.80q, %v, %v, want %.80q, %v", got, what, err, want, tt.verdict)
			}
			if (err != nil) != (tt.verdict == badValue) {
				t.Errorf("appendTo's error is %v", err)
			}
		})
	}
	t.Run("a Kafka null", func(t *testing.T) {
		rec := recordOf(nil)
		if _, what, err := l.appendTo(nil, &rec); what != nullValue || err != nil {
			t.Errorf("appendTo = %v, %v, want null", what, err)
		}
	})
}

// TestErrorsKeepSecrets: what a record holds stays out of error texts.
func TestErrorsKeepSecrets(t *testing.T) {
	cfg := Config{}
	rec := recordOf([]byte(`{"password":hunter2}`))
	if _, _, err := newLines(&cfg).appendTo(nil, &rec); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("appendTo's error is %v, want one without the value", err)
	}
}

func TestOtherLines(t *testing.T) {
	tests := []struct {
		name  string
		cfg   Config
		value string
		want  string
	}{
		{"text becomes a JSON string", Config{Converter: StringValue}, "a \"q\"\n😀é/", "\"a \\\"q\\\"\\n😀é/\"\n"},
		{"text as Java writes it", Config{Converter: StringValue, JavaJSON: true}, "😀\x01", "\"\\uD83D\\uDE00\\u0001\"\n"},
		{"empty text", Config{Converter: StringValue}, "", "\"\"\n"},
		{"text that is no UTF-8", Config{Converter: StringValue}, "a\xffb\xe2\x82c\xf0\x9f\x98d\xc0\x80", "\"a\ufffdb\ufffdc\ufffdd\ufffd\ufffd\"\n"},
		{"bytes become Base64", Config{Converter: BytesValue}, `{"a":1}`, "\"eyJhIjoxfQ==\"\n"},
		{"bytes stay bytes", Config{Format: RawBytes, Converter: BytesValue, Separator: "\n"}, "\x00\xff\n", "\x00\xff\n\n"},
		{"no separator", Config{Format: RawBytes, Converter: BytesValue}, "ab", "ab"},
		{"an empty value is one", Config{Format: RawBytes, Converter: BytesValue, Separator: ";"}, "", ";"},
		{"the text null is one", Config{Format: RawBytes, Converter: BytesValue, Separator: ";"}, "null", "null;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := recordOf([]byte(tt.value))
			got, what, err := newLines(&tt.cfg).appendTo(nil, &rec)
			if string(got) != tt.want || what != writable || err != nil {
				t.Errorf("appendTo(%q) = %q, %v, %v, want %q", tt.value, got, what, err, tt.want)
			}
			rec.Value = nil
			if _, what, _ := newLines(&tt.cfg).appendTo(nil, &rec); what != nullValue {
				t.Errorf("a null is %v", what)
			}
		})
	}
}

func TestObjectKeys(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]string
		offset  int64
		want    string
	}{
		{"the users' names", nil, 17, "topics/a.b_c-d/partition=3/a.b_c-d+3+0000000017.json"},
		{"a long offset is not cut", nil, 123456789012, "topics/a.b_c-d/partition=3/a.b_c-d+3+123456789012.json"},
		{"no padding", map[string]string{"filename.offset.zero.pad.width": "0"}, 0, "topics/a.b_c-d/partition=3/a.b_c-d+3+0.json"},
		{"an empty first element goes with its delimiter", map[string]string{"topics.dir": ""}, 1, "a.b_c-d/partition=3/a.b_c-d+3+0000000001.json"},
		{"other delimiters", map[string]string{"topics.dir": "x/y", "directory.delim": "_", "file.delim": "~"}, 1, "x/y_a.b_c-d_partition=3_a.b_c-d~3~0000000001.json"},
		{"bytes have another extension", map[string]string{"format.class": byteArrayFormat, "value.converter": bytesConverter, "format.bytearray.extension": ".raw"}, 1, "topics/a.b_c-d/partition=3/a.b_c-d+3+0000000001.raw"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t, tt.changes)
			if got := cfg.objectKey(kafkaclient.TopicPartition{Topic: "a.b_c-d", Partition: 3}, tt.offset); got != tt.want {
				t.Errorf("objectKey = %s, want %s", got, tt.want)
			}
		})
	}
}

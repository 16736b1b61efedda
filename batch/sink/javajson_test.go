package sink

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

// TestJavaDouble holds digits against what Double.toString of Java 17 printed.
func TestJavaDouble(t *testing.T) {
	tests := []struct {
		bits uint64
		want string
	}{
		{0x44b52d02c7e14af6, "9.999999999999999E22"},
		{0x3f60624dd2f1a9fc, "0.002"},
		{0x1, "4.9E-324"},
		{0x7fefffffffffffff, "1.7976931348623157E308"},
		{0x4340000000000000, "9.007199254740992E15"},
		{0x4340000000000000, "9.007199254740992E15"},
		{0x444b1ae4d6e2ef50, "1.0E21"},
		{0x4480f0cf064dd592, "1.0E22"},
		{0x437b69b4ba630f35, "1.2345678901234568E17"},
		{0x4011666666666666, "4.35"},
		{0x3fb999999999999a, "0.1"},
		{0x3f50624dd2f1a9fc, "0.001"},
		{0x416312cfe0000000, "9999999.0"},
		{0x416312d000000000, "1.0E7"},
		{0x10000000000000, "2.2250738585072014E-308"},
		{0x453f59a31dea89fb, "3.79E25"},
		{0x45366aa5f1977e5b, "2.71E25"},
		{0x447c7e83209e90b2, "8.409999999999999E21"},
		{0x28, "2.0E-322"},
		{0x3ee4f8b588e368f1, "1.0E-5"},
		{0x4059000000000000, "100.0"},
		{0x405ec00000000000, "123.0"},
		{0x3f5426fe718a86d7, "0.00123"},
		{0x40f0000000000000, "65536.0"},
		{0x4330000000000000, "4.503599627370496E15"},
		{0x43e0000000000000, "9.223372036854776E18"},
		{0x43f0000000000000, "1.8446744073709552E19"},
		{0xbb0f1798a3773418, "-3.2148553208128307E-24"},
		{0xbfc9945a02770b39, "-0.19983983154642163"},
		{0x592ad3097d984a5d, "3.4633604772920904E121"},
		{0xe5b3f440be1a4792, "-8.279990211479218E181"},
		{0xb54b190491b3ca5d, "-5.658269194963869E-52"},
		{0x5a1715fff3e147a1, "9.767101633242422E125"},
		{0x1ee88ee940ae7fdf, "8.733929219258122E-160"},
		{0xd993e7beb252edfc, "-3.289621667188833E123"},
		{0x154de301afcac4e5, "4.654484511776613E-206"},
		{0xedc26f161bfba4ce, "-5.205767877210675E220"},
		{0xa440e2651db344e9, "-4.645970238950138E-134"},
		{0xc8e60506bdf81cb7, "-1.534544531262179E43"},
		{0x96c697fbb2583069, "-5.9033690162491605E-199"},
		{0x7914dd2d973295f1, "1.805897711291443E275"},
		{0x4121c8e0996da4a6, "582768.2996646359"},
		{0x61f44c359fc917b3, "7.305405769107958E163"},
		{0xc54c61ed9f024ba7, "-6.862475166839405E25"},
		{0x384e818eb69539d9, "1.7929864633817135E-37"},
		{0x5021aa93d7917884, "1.0228099578047008E78"},
		{0xdddda85caf3464c4, "-1.4466214122376197E144"},
		{0x1a7850eaf96443e0, "3.6624885811820395E-181"},
		{0x70f3a3b34779ab7e, "1.2488953108755662E236"},
		{0x85c8a30a98496cb6, "-8.482810585750134E-281"},
		{0x1a64d9ffee20a422, "1.5703310037479966E-181"},
		{0x98ec899916e40159, "-1.2809982406900431E-188"},
		{0xbf8fc3c9002ae27a, "-0.015510149304973842"},
		{0x644c17a3c64d14b5, "1.3896180822484745E175"},
		{0xd5c23197dcc7f8e9, "-1.3039774886412888E105"},
		{0x76a2c3b0c5c503da, "2.954345463987071E263"},
		{0x72d87d347342238b, "1.6721259458884787E245"},
		{0xe9b69e13f4f50fbb, "-1.7312570964666348E201"},
		{0x1c021a10a968019a, "9.148600733174657E-174"},
		{0x9a1c1880ec0a4f32, "-6.612151073277912E-183"},
		{0x325a3908bd8e0113, "3.890629301667642E-66"},
		{0x9bb632e1e9ff3d46, "-3.505994591178788E-175"},
		{0x9cba734c0bc86099, "-2.7377536341914E-170"},
		{0xc74c216a02f967b0, "-2.9212406132320878E35"},
		{0xa18b094fca8eb98, "5.018117871718462E-260"},
		{0x818abfe952f5019b, "-3.120559859841067E-301"},
		{0xef20bc9e5ad9d4ac, "-1.9824349446275663E227"},
	}
	for _, tt := range tests {
		f := math.Float64frombits(tt.bits)
		if got := string(appendJavaDouble(nil, f)); got != tt.want {
			t.Errorf("appendJavaDouble(%v) = %s, want %s", f, got, tt.want)
		}
	}
}

func TestJavaNumbers(t *testing.T) {
	tests := []struct{ in, want string }{
		{"0", "0"},
		{"-0", "0"},
		{"9223372036854775807", "9223372036854775807"},
		{"9223372036854775808", "-9223372036854775808"},
		{"18446744073709551615", "-1"},
		{"-9223372036854775809", "9223372036854775807"},
		{"123456789012345678901234567890", "-4362896299872285998"},
		{"1.10", "1.1"},
		{"1e3", "1000.0"},
		{"1e7", "1.0E7"},
		{"0.0001", "1.0E-4"},
		{"12345678.9", "1.23456789E7"},
		{"12345678901234567890.123", "1.2345678901234567E19"},
		{"-0.0", "0.0"},
		{"0e5", "0.0"},
		{"1e400", `"Infinity"`},
		{"-1e400", `"-Infinity"`},
	}
	for _, tt := range tests {
		if got := string(appendJavaNumber(nil, []byte(tt.in))); got != tt.want {
			t.Errorf("appendJavaNumber(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestJavaObjects(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"members by hash", `{"b":1,"a":2,"c":3,"zeta":4,"Alpha":5}`, `{"zeta":4,"a":2,"b":1,"c":3,"Alpha":5}`},
		{"the last of a double member, at its first place", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{"the same name in two spellings is one", `{"é":1,"\u00e9":2}`, `{"é":2}`},
		{"names of one hash by first insertion", `{"BB":1,"Aa":2}`, `{"BB":1,"Aa":2}`},
		{"escapes", `["\u0000\u001f\u007f\/\"\\\b\f\n\r\té\u2028"]`, "[\"\\u0000\\u001F\u007f/\\\"\\\\\\b\\f\\n\\r\\té\u2028\"]"},
		{"beyond the basic plane", `["😀","\ud83d\ude00","\ud83d"]`, `["\uD83D\uDE00","\uD83D\uDE00","\uD83D"]`},
		{"nothing in them", `{"a":{},"b":[]}`, `{"a":{},"b":[]}`},
		{"literals", `[true,false,null]`, `[true,false,null]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(appendJava(nil, []byte(tt.in))); got != tt.want {
				t.Errorf("appendJava(%s) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

// FuzzJSONLine holds both modes to the standard library: what a line says is what the value said.
func FuzzJSONLine(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"x\n",null,true],"b":{"c":-0}}`, `{"a":01}`, `"\ud83d"`, `[1e400]`, "\ufeff1", ` {"a" : 1 } x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var lineOf [2]string
		for i, java := range []bool{false, true} {
			l := &lines{java: java}
			l.scanner.LeadingZeros = true
			out, what, err := l.value2(value)
			if what == badValue && err == nil {
				t.Fatalf("%q is bad for no reason", value)
			}
			if what != writable {
				continue
			}
			if n := len(out); n < 2 || out[n-1] != '\n' {
				t.Fatalf("%q became %q, no line", value, out)
			}
			if !json.Valid(out) {
				t.Fatalf("%q became %q, which is no JSON", value, out)
			}
			lineOf[i] = string(out)
		}
		var plain, java any
		if json.Unmarshal([]byte(lineOf[0]), &plain) != nil || json.Unmarshal([]byte(lineOf[1]), &java) != nil {
			return // a number that no double holds
		}
		if !reflect.DeepEqual(sameNumbers(plain), sameNumbers(java)) {
			t.Errorf("preserved %s and Java %s differ", lineOf[0], lineOf[1])
		}
	})
}

// value2 runs one value through a copy, since a line's value may be changed in place.
func (l *lines) value2(value []byte) ([]byte, verdict, error) {
	rec := recordOf(append([]byte{}, value...))
	return l.appendTo(nil, &rec)
}

// sameNumbers replaces the numbers whose value Java changes (beyond 64 bits) by nothing.
func sameNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		if math.Abs(v) >= 1<<63 || v == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = sameNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = sameNumbers(v[k])
		}
	}
	return v
}

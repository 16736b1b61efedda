package handlers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/rawjson"
	"headrace/record"
)

// decoded runs the decoder alone over a body.
func decoded(contentType, text string) (*produceRequest, error) {
	p := &produceRequest{format: formats[contentType], topic: "t", partition: record.AnyPartition, argument: "arg2"}
	p.body = &body{bytes: []byte(text), budget: NewBudget(1 << 30)}
	return p, p.decode()
}

const (
	embeddedJSON   = "application/vnd.kafka.json.v2+json"
	embeddedBinary = "application/vnd.kafka.binary.v2+json"
)

func TestDecodeKeepsTheSendersBytes(t *testing.T) {
	p, err := decoded(embeddedJSON, "\xef\xbb\xbf"+`{"records":[{"key": "k" ,"value": {"b": 1.500, "a": [1e3, "\u00e9"]}, "partition": "2"},
		{"value":null},{"partition":1.9,"value":""},{},{"value":1,"value":2,"partition":""}], "value_schema": 5, "key_schema_id": "7"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		key, value string
		partition  int32
	}{
		{`"k"`, `{"b":1.500,"a":[1e3,"\u00e9"]}`, 2},
		{"null", "null", -1},
		{"null", `""`, 1},
		{"null", "null", -1},
		{"null", "2", -1},
	}
	for i, w := range want {
		rec := p.recs[i]
		key, value := "null", "null"
		if rec.Key != nil {
			key = string(rec.Key)
		}
		if rec.Value != nil {
			value = string(rec.Value)
		}
		if key != w.key || value != w.value || rec.Partition != w.partition {
			t.Errorf("record %d = %s %s %d, want %+v", i, key, value, rec.Partition, w)
		}
	}
}

func TestLastOfTwoRecordsMembersCounts(t *testing.T) {
	p, err := decoded(embeddedJSON, `{"records":[{"value":1},{"value":2}],"records":[{"value":3}]}`)
	if err != nil || len(p.recs) != 1 || string(p.recs[0].Value) != "3" {
		t.Errorf("recs = %v, %v, want the last list", p.recs, err)
	}
}

func TestDecodeBinary(t *testing.T) {
	for text, want := range map[string]string{
		`"Zm9vYg=="`: "foob", `"Zm9vYg="`: "foob", `"Zm9vYg"`: "foob", `"Zm9v===="`: "foo", `"=="`: "", `""`: "", `"Zm9="`: "fo",
		`"\u005am9v"`: "foo", `"/+8="`: "\xff\xef",
	} {
		p, err := decoded(embeddedBinary, `{"records":[{"value":`+text+`}]}`)
		if err != nil || p.recs[0].Value == nil || string(p.recs[0].Value) != want {
			t.Errorf("value %s is decoded to %v, %v, want %q", text, p.recs, err, want)
		}
	}
	for text, want := range map[string]string{
		`"fooba"`:      `Bad Request: data="fooba" is not a valid base64 string.`,
		`"Zm9v\nZm9v"`: `Bad Request: data="Zm9v\nZm9v" is not a valid base64 string.`,
		`"Zm=9"`:       `Bad Request: data="Zm=9" is not a valid base64 string.`,
		`"-_8="`:       `Bad Request: data="-_8=" is not a valid base64 string.`,
		`1.50`:         `Bad Request: data=1.50 is not a base64 string.`,
		`{"a":1}`:      `Bad Request: data={"a":1} is not a base64 string.`,
		`[ "Zm9v" ]`:   `Bad Request: data=["Zm9v"] is not a base64 string.`,
	} {
		_, err := decoded(embeddedBinary, `{"records":[{"value":"Zm9v"},{"value":`+text+`}]}`)
		if api := toAPIError(err); api.code != 400 || api.message != want {
			t.Errorf("value %s: %v, want 400 %s", text, err, want)
		}
	}
}

func TestRefusedBodies(t *testing.T) {
	for _, tt := range []struct {
		contentType, text string
		code              int
		message           string
	}{
		{embeddedJSON, ``, 422, "produceJson.arg2 must not be null (was null)"},
		{embeddedJSON, " \n", 422, "produceJson.arg2 must not be null (was null)"},
		{embeddedBinary, `null`, 422, "produceBinary.arg2 must not be null (was null)"},
		{embeddedJSON, `{"records":[]}`, 422, "produceJson.arg2.records must not be empty (was [])"},
		{embeddedJSON, `{"records":[{"valeu":null}]}`, 422, "Unrecognized field: valeu"},
		{embeddedJSON, `{"Records":[]}`, 422, "Unrecognized field: Records"},
		{embeddedJSON, `{"records":[null]}`, 400, `record 0 is null, an object with "key", "value" and "partition" is wanted`},
		{embeddedJSON, `{"records":[{"partition":true}]}`, 400, "partition is a boolean, a 32-bit integer is wanted"},
		{embeddedJSON, `{"records":[{"partition":3000000000}]}`, 400, `partition is "3000000000", a 32-bit integer is wanted`},
		{embeddedJSON, `{"records":[{"partition":-1}]}`, 400, "Bad Request: partition=-1 is negative: partitions are numbered from 0."},
		{embeddedJSON, `{"records":[{"value":01}]}`, 400, "number with a leading zero at byte 21"},
		{embeddedJSON, `{"value_schema":{},"records":[{"value":1}]}`, 400, "value_schema is an object, a string is wanted"},
	} {
		_, err := decoded(tt.contentType, tt.text)
		if err == nil {
			t.Errorf("body %s passes", tt.text)
			continue
		}
		if api := toAPIError(err); api.code != tt.code || api.message != tt.message {
			t.Errorf("body %s: %d %s, want %d %s", tt.text, api.code, api.message, tt.code, tt.message)
		}
	}
}

// Ten thousand broken bodies: each is answered as the client's mistake, or taken.
func TestMutatedBodies(t *testing.T) {
	srv, _ := rest(t, nil, kfake.SeedTopics(3, "t"))
	seeds := []string{
		`{"records":[{"key":"k","value":{"index":1,"title":"Harbour linen","nested":{"a":[1,2.5,null,true]},"u":"żółć ☕"},"partition":0}]}`,
		`{"records":[{"value":"dmFsdWU=","key":"a2V5"},{"value":null}],"key_schema":"x","value_schema_id":1}`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	client := srv.Client()
	var workers sync.WaitGroup
	work := make(chan *http.Request, 64)
	for range 4 {
		workers.Go(func() {
			for req := range work {
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					continue
				}
				answer, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode >= 500 || !json.Valid(answer) {
					t.Errorf("status %d %s", resp.StatusCode, answer)
				}
			}
		})
	}
	for i := range 10_000 {
		text := mutated(random, []byte(seeds[i%2]))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/topics/t", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", []string{embeddedJSON, embeddedBinary}[i/2%2])
		work <- req
	}
	close(work)
	workers.Wait()
}

// mutated changes a text in one to four places.
func mutated(random *rand.Rand, text []byte) []byte {
	for range 1 + random.IntN(4) {
		at := random.IntN(len(text))
		switch random.IntN(5) {
		case 0:
			text[at] = byte(random.IntN(256))
		case 1:
			text = text[:at+1]
		case 2:
			end := at + random.IntN(len(text)-at)
			text = append(text[:at:at], text[end:]...)
		case 3:
			insert := []string{"{", "}", "[", "]", `"`, ",", ":", "null", "-1", "1e400", `\`, "\x00", "99999999999"}[random.IntN(13)]
			text = append(text[:at:at], append([]byte(insert), text[at:]...)...)
		default:
			text = append(text, text[at:]...)
		}
		if len(text) == 0 {
			return text
		}
	}
	return text
}

func FuzzDecodeProduce(f *testing.F) {
	f.Add(`{"records":[{"key":"k","value":{"a":[1,2.5]},"partition":1}]}`, true)
	f.Add(`{"records":[{"value":"Zm9v"}],"value_schema":"x","key_schema_id":3}`, false)
	f.Fuzz(func(t *testing.T, text string, binary bool) {
		contentType := embeddedJSON
		if binary {
			contentType = embeddedBinary
		}
		original := strings.Clone(text)
		p, err := decoded(contentType, text)
		if err != nil {
			if api := toAPIError(err); api.status < 400 || api.status >= 500 {
				t.Fatalf("decoding %q: %v is no fault of the client's", original, err)
			}
			return
		}
		for i, rec := range p.recs {
			if rec.Partition < record.AnyPartition {
				t.Fatalf("record %d of %q has partition %d", i, original, rec.Partition)
			}
			if !binary && rec.Value != nil {
				if _, err := rawjson.NewScanner(bytes.Clone(rec.Value)).Value(); err != nil {
					t.Fatalf("record %d of %q has value %q: %v", i, original, rec.Value, err)
				}
			}
		}
	})
}

// What requests hold together is bounded: one too many is told to come back.
func TestBudget(t *testing.T) {
	srv, _ := rest(t, func(cfg *Config) { cfg.MaxRequestBytes, cfg.MemoryBudgetBytes = 1000, 2000 }, kfake.SeedTopics(1, "t"))
	post := func(text io.Reader) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/topics/t", text)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", embeddedJSON)
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer)
	}
	large := `{"records":[{"value":"` + strings.Repeat("x", 2000) + `"}]}`
	for name, text := range map[string]io.Reader{"known length": strings.NewReader(large), "chunked": io.MultiReader(strings.NewReader(large))} {
		if status, answer := post(text); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d %s, want 413", name, status, answer)
		}
	}
}

// Found by an outage of Kafka: what clients had sent before they left was held on, but no longer
// paid for, and clients that came again filled the memory. Bytes count until Kafka's client lets go.
func TestBudgetOfClientsThatLeft(t *testing.T) {
	// Room for one request: 256 records are paid for ahead.
	srv, cluster := rest(t, func(cfg *Config) { cfg.MemoryBudgetBytes = recordsPaidAhead * recordCost * 3 / 2 }, kfake.SeedTopics(1, "t"))
	held, release := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(held) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { hold(); <-release })
		return nil, nil, false
	})
	post := func(ctx context.Context) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/topics/t", strings.NewReader(`{"records":[{"value":1}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", embeddedJSON)
		resp, err := srv.Client().Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := post(ctx)
		left <- err
	}()
	<-held
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("the client that left: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 5 {
		if status, err := post(ctx); status != http.StatusServiceUnavailable || err != nil {
			t.Errorf("while Kafka does not answer: status %d, %v, want 503", status, err)
		}
	}
	close(release)
	for status := 0; status != http.StatusOK; {
		var err error
		if status, err = post(ctx); err != nil {
			t.Fatalf("after Kafka's answer: %v, last status %d, want 200", err, status)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	value := fmt.Sprintf(`{"index":7528,"title":"Koi tattoos for men","description":"%s"}`, strings.Repeat("plain text ", 49))
	for _, n := range []int{1, 100, 1000} {
		text := `{"records":[` + strings.Repeat(`{"value":`+value+`},`, n-1) + `{"value":` + value + `}]}`
		b.Run(fmt.Sprintf("%d records", n), func(b *testing.B) {
			p := &produceRequest{format: formatJSON, topic: "t", partition: record.AnyPartition, argument: "arg2"}
			p.body = &body{bytes: []byte(text), budget: NewBudget(1 << 40)}
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p.paid = 0
				if err := p.decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	acks := make([]record.Ack, 100)
	p := &produceRequest{topic: "t"}
	b.ReportAllocs()
	for b.Loop() {
		p.encode(acks, false, nil)
	}
}

// The whole route over the fake broker.
func BenchmarkProduceRoute(b *testing.B) {
	srv, _ := rest(b, nil, kfake.SeedTopics(1, "t"))
	handler := srv.Config.Handler
	value := base64.StdEncoding.EncodeToString(make([]byte, 450))
	for _, n := range []int{1, 100} {
		text := `{"records":[` + strings.Repeat(`{"value":"`+value+`"},`, n-1) + `{"value":"` + value + `"}]}`
		b.Run(fmt.Sprintf("%d records", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest(http.MethodPost, "/topics/t", strings.NewReader(text))
				req.Header["Content-Type"] = []string{embeddedJSON}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, req)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

package embedded

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// benchmarkCall measures the handler alone: no sockets.
func benchmarkCall(b *testing.B, op, body string, records int) {
	b.Helper()
	k, _ := newTestKinesis(b, func(cfg *KinesisConfig) { cfg.Now = time.Now; cfg.StatusDelay = 0; cfg.MaxBytes = 32 << 20 })
	do(b, k, "CreateStream", dict{"StreamName": "s", "ShardCount": 4})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		text := strings.NewReader(body)
		r := &http.Request{Method: http.MethodPost, ContentLength: int64(len(body)), Body: io.NopCloser(text), Header: http.Header{
			"Content-Type": {kinesisJSONType}, "X-Amz-Target": {kinesisTarget + op},
		}}
		w := discard{http.Header{}}
		for pb.Next() {
			text.Reset(body)
			k.ServeHTTP(w, r)
		}
	})
	if got := k.Records("s"); got != int64(b.N*records) {
		b.Fatalf("%d records are stored, want %d", got, b.N*records)
	}
}

func BenchmarkPutRecord(b *testing.B) {
	data := base64.StdEncoding.EncodeToString(make([]byte, 600))
	benchmarkCall(b, "PutRecord", `{"StreamName":"s","Data":"`+data+`","PartitionKey":"some key"}`, 1)
}

func BenchmarkPutRecords(b *testing.B) {
	data := base64.StdEncoding.EncodeToString(make([]byte, 600))
	var entries []string
	for i := range 100 {
		entries = append(entries, fmt.Sprintf(`{"Data":"%s","PartitionKey":"key %d"}`, data, i))
	}
	benchmarkCall(b, "PutRecords", `{"StreamName":"s","Records":[`+strings.Join(entries, ",")+`]}`, 100)
}

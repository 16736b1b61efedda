package handlers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/record"
)

// storedValue is a record's value of 600 bytes.
func storedValue() []byte {
	return fmt.Appendf(nil, `{"index":1,"text":%q}`, bytes.Repeat([]byte("x"), 579))
}

// BenchmarkEncodeRecord: one record of 600 bytes into an answer of JSON.
func BenchmarkEncodeRecord(b *testing.B) {
	e := recordEncoder{format: formatJSON}
	rec := record.Record{Topic: "t", Partition: 1, Offset: 123456, Value: storedValue()}
	var buf []byte
	b.SetBytes(int64(len(rec.Value)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, _, err = e.encode(buf[:0], &rec, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConsume reads 20,000 records of 600 bytes from 2 partitions through GET …/records, answers of 1 MiB, and
// by a client of Kafka that does nothing with them. One operation is all of them.
func BenchmarkConsume(b *testing.B) {
	const count = 20_000
	bench := consumers(b, nil)
	recs := make([]*kgo.Record, 0, count)
	for n := range count {
		recs = append(recs, &kgo.Record{Topic: "t", Partition: int32(n % 2), Value: storedValue()})
	}
	if err := bench.kafka.ProduceSync(b.Context(), recs...).FirstErr(); err != nil {
		b.Fatal(err)
	}
	bench.instance(b, `,"consumer.request.timeout.ms":20000`)
	b.Run("gateway", func(b *testing.B) {
		for b.Loop() {
			bench.must(b, 200, "GET", inst+"/records?timeout=1", "", "Accept", embeddedJSON) // joins
			for bench.must(b, 200, "GET", inst+"/assignments", "") == `{"partitions":[]}` {
				bench.must(b, 200, "GET", inst+"/records?timeout=10&max_bytes=1", "", "Accept", embeddedJSON)
			}
			bench.must(b, 204, "POST", inst+"/positions/beginning", `{"partitions":[]}`)
			for got := 0; got < count; {
				got += readCount(b, bench.url+inst+"/records?max_bytes=1048576")
			}
		}
		b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			client, err := kgo.NewClient(kgo.SeedBrokers(bench.kafka.OptValue(kgo.SeedBrokers).([]string)...), kgo.ConsumeTopics("t"))
			if err != nil {
				b.Fatal(err)
			}
			for got := 0; got < count; {
				got += client.PollFetches(context.Background()).NumRecords()
			}
			client.Close()
		}
		b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// readCount reads once and counts the records.
func readCount(b *testing.B, url string) int {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", embeddedJSON)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Count(body, []byte(`{"topic":`))
}

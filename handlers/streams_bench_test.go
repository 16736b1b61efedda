package handlers

import (
	"strings"
	"testing"

	"headrace/kinesisclient"
)

// event600 is an event of about 600 bytes, as clients send it.
var event600 = `{"index": 7528, "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf", "title": "No Title Data Available", "description": "` +
	strings.Repeat("No description available Story format ", 8) +
	`", "follower_count": "User Info Error", "tag_list": ["N,o", "T,a,g,s"], "is_image_or_video": "multi-video(story page format)", "downloaded": 0}`

func BenchmarkPutRecordBody(b *testing.B) {
	text := []byte(`{"StreamName": "streaming-demo-pin", "Data": ` + event600 + `, "PartitionKey": "7528"}`)
	work := make([]byte, len(text))
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		copy(work, text) // the scanner squeezes it
		body := kinesisclient.NewBody()
		var err error
		if body.Bytes, err = appendPutRecord(body.Bytes, "streaming-demo-pin", work); err != nil {
			b.Fatal(err)
		}
		body.Free()
	}
}

func BenchmarkPutRecordsBody(b *testing.B) {
	record := `{"data": ` + event600 + `, "partition-key": "7528"}`
	text := []byte(`{"records": [` + strings.Repeat(record+", ", 99) + record + `]}`)
	work := make([]byte, len(text))
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		copy(work, text)
		body := kinesisclient.NewBody()
		d := batchDecoder{batch: &kinesisclient.Batch{Body: body}, limit: kinesisclient.MaxRecords}
		if err := d.decode("streaming-demo-pin", work); err != nil {
			b.Fatal(err)
		}
		body.Free()
	}
}

// BenchmarkPutRecordRoute is a whole request, but for the server, against a Kinesis that does nothing.
func BenchmarkPutRecordRoute(b *testing.B) {
	g := startStreams(b, healthyKinesis, nil)
	text := `{"StreamName": "streaming-demo-pin", "Data": ` + event600 + `, "PartitionKey": "7528"}`
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if w := g.put(b, "/streams/streaming-demo-pin/record", text); w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
}

package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"headrace/services/svc"
)

// TestKeysLandWhereJavaPutsThem: the same keys, produced by Kafka's own producer and through the gateway, lie in the same
// partitions.
func TestKeysLandWhereJavaPutsThem(t *testing.T) {
	const partitions = 7
	broker, dir := svc.Need(t, "HEADRACE_TEST_KAFKA"), svc.Need(t, "HEADRACE_TEST_KAFKA_DIR")
	topic := fmt.Sprintf("keys-%d", time.Now().UnixNano())
	createTopic(t, []string{broker}, topic, partitions)
	var lines, records []string
	for n := range 60 { // of every length modulo 4, with bytes over 127
		key := strings.Repeat("ключ-", n%3) + strings.Repeat("k", n%9) + fmt.Sprint(n*n*n)
		lines = append(lines, key+"\tjava")
		records = append(records, `{"key":"`+base64.StdEncoding.EncodeToString([]byte(key))+`","value":"Z2F0ZXdheQ=="}`)
	}
	command(t, nil, strings.Join(lines, "\n")+"\n", svc.Need(t, "HEADRACE_TEST_KAFKA_SH"), "produce", dir, "--topic", topic,
		"--reader-property", "parse.key=true")

	s := startServe(t, "bootstrap.servers="+broker+"\nkinesis.enable=false\n")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/topics/"+topic, strings.NewReader(`{"records":[`+strings.Join(records, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.kafka.binary.v2+json")
	if status, body := do(t, req); status != http.StatusOK || strings.Contains(body, `"error":"`) {
		t.Fatalf("POST /topics/%s: %d %s", topic, status, body)
	}

	places := map[string]map[string]int32{} // by key, then by who produced it
	for _, rec := range readRecords(t, []string{broker}, topic, partitions) {
		if places[string(rec.Key)] == nil {
			places[string(rec.Key)] = map[string]int32{}
		}
		places[string(rec.Key)][string(rec.Value)] = rec.Partition
	}
	if len(places) != len(records) {
		t.Errorf("%d keys lie in the topic, want %d", len(places), len(records))
	}
	used := map[int32]bool{}
	for key, by := range places {
		if len(by) != 2 || by["java"] != by["gateway"] {
			t.Errorf("key %q lies in partitions %v, want one", key, by)
		}
		used[by["java"]] = true
	}
	if len(used) != partitions {
		t.Errorf("the keys use %d partitions, want %d", len(used), partitions)
	}
}

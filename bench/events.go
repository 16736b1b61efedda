package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// eventBytes is the length of every event, as the figures to reach have it.
const eventBytes = 600

// eventCount is how many different events a load sends, over and over: enough that no cache of
// values and no branch predictor learns them by heart, few enough to be built in a moment.
const eventCount = 4000

var (
	categories = []string{"art", "beauty", "christmas", "diy-and-crafts", "education", "event-planning", "finance", "home-decor", "mens-fashion", "quotes", "tattoos", "travel", "vehicles"}
	words      = []string{"linen", "harbour", "easy", "ideas", "for", "the", "garden", "with", "café", "lights", "wooden", "shelf", "and", "a", "quiet", "corner", "paint", "5\\\" frame", "winter", "table", "żółty", "small", "room", "that", "you", "can", "make", "in", "one", "afternoon"}
	followers  = []string{"437", "136k", "1M", "0", "12k", "967", "User Info Error"}
)

// makeEvents returns count JSON objects in the shape of a pin event: compact, UTF-8, each exactly
// eventBytes long, different from each other, and the same in every run. Most are plain ASCII;
// some hold escapes and letters of two bytes.
func makeEvents(count int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 600))
	events := make([][]byte, count)
	for i := range events {
		events[i] = makeEvent(rng, i)
	}
	return events
}

func makeEvent(rng *rand.Rand, index int) []byte {
	category := categories[rng.IntN(len(categories))]
	head := fmt.Sprintf(`{"index":%d,"unique_id":"%08x-%04x-4%03x-a%03x-%012x","title":"%s","description":"`,
		index, rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Int64N(1<<48), sentence(rng, 4))
	tail := fmt.Sprintf(`","poster_name":"%s","follower_count":"%s","tag_list":"%s","is_image_or_video":"image","image_src":"https://i.example.com/originals/%02x/%02x/%016x.jpg","downloaded":%d,"save_location":"Local save in /data/%s","category":"%s"}`,
		sentence(rng, 2), followers[rng.IntN(len(followers))], strings.ReplaceAll(sentence(rng, 5), " ", ","),
		rng.IntN(256), rng.IntN(256), rng.Uint64(), rng.IntN(2), category, category)
	var event strings.Builder
	event.WriteString(head)
	for event.Len()+len(tail) < eventBytes {
		word := words[rng.IntN(len(words))]
		if event.Len()+len(word)+1+len(tail) > eventBytes {
			word = strings.Repeat("o", eventBytes-len(tail)-event.Len()-1)
		}
		event.WriteString(word + " ")
	}
	event.WriteString(tail)
	return []byte(event.String())
}

func sentence(rng *rand.Rand, count int) string {
	picked := make([]string, count)
	for i := range picked {
		picked[i] = words[rng.IntN(len(words))]
	}
	return strings.Join(picked, " ")
}

// groups cuts events into runs of size, the last one left out when it is short.
func groups(events [][]byte, size int) [][][]byte {
	var all [][][]byte
	for ; len(events) >= size; events = events[size:] {
		all = append(all, events[:size:size])
	}
	return all
}

// produceBody is a v2 produce request body with one record an event, without keys.
func produceBody(events [][]byte) []byte {
	body := []byte(`{"records":[`)
	for i, event := range events {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"value":`...)
		body = append(body, event...)
		body = append(body, '}')
	}
	return append(body, `]}`...)
}

// putRecordBody is a body of PUT /streams/{s}/record: the event as a JSON object, not base64.
func putRecordBody(event []byte, key string) []byte {
	body := []byte(`{"PartitionKey":` + strconv.Quote(key) + `,"Data":`)
	body = append(body, event...)
	return append(body, '}')
}

package main

import (
	"bytes"
	"fmt"
	"net/http"
)

// check looks at one answer and says what is wrong with it.
type check func(answer) error

// checkProduced accepts a v2 produce answer: 200, exactly records offsets, no error in any of them.
func checkProduced(records int) check {
	return func(ans answer) error {
		if ans.status != http.StatusOK {
			return fmt.Errorf("status %d, want 200: %s", ans.status, excerpt(ans.body))
		}
		if countOffsets(ans.body) == records {
			return nil
		}
		// Not spelled as Confluent's: another vendor's, or a failure.
		if got := bytes.Count(ans.body, []byte(`"offset"`)); got != records {
			return fmt.Errorf("%d offsets, want %d: %s", got, records, excerpt(ans.body))
		}
		if at := failedEntry(ans.body); at >= 0 {
			return fmt.Errorf("a record failed: %s", excerpt(ans.body[at:]))
		}
		return nil
	}
}

// countOffsets returns how many entries an answer has that is spelled to the byte as Confluent
// spells it and has no failed record, and -1 for any other. One pass: at 1,000 records a
// careful look would cost more than the request.
func countOffsets(body []byte) int {
	rest, found := bytes.CutPrefix(body, []byte(`{"offsets":[`))
	for count := 1; found; count++ {
		if rest, found = bytes.CutPrefix(rest, []byte(`{"partition":`)); !found {
			break
		}
		if rest, found = bytes.CutPrefix(skipDigits(rest), []byte(`,"offset":`)); !found {
			break
		}
		if rest, found = bytes.CutPrefix(skipDigits(rest), []byte(`,"error_code":null,"error":null}`)); !found {
			break
		}
		if bytes.HasPrefix(rest, []byte("]")) {
			return count
		}
		rest, found = bytes.CutPrefix(rest, []byte(","))
	}
	return -1
}

func skipDigits(text []byte) []byte {
	for len(text) > 0 && text[0] >= '0' && text[0] <= '9' {
		text = text[1:]
	}
	return text
}

// failedEntry returns where the first error_code stands whose value is not null, or -1.
func failedEntry(body []byte) int {
	member := []byte(`"error_code"`)
	for at := 0; ; {
		next := bytes.Index(body[at:], member)
		if next < 0 {
			return -1
		}
		at += next + len(member)
		if value := bytes.TrimLeft(body[at:], " :\r\n\t"); !bytes.HasPrefix(value, []byte("null")) {
			return at - len(member)
		}
	}
}

// checkPut accepts an answer of PutRecord: 200 with a sequence number.
func checkPut(ans answer) error {
	if ans.status != http.StatusOK {
		return fmt.Errorf("status %d, want 200: %s", ans.status, excerpt(ans.body))
	}
	if !bytes.Contains(ans.body, []byte(`"SequenceNumber"`)) {
		return fmt.Errorf("no SequenceNumber: %s", excerpt(ans.body))
	}
	return nil
}

// excerpt is the beginning of an answer, for an error text.
func excerpt(body []byte) []byte {
	return body[:min(len(body), 300)]
}

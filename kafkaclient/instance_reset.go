package kafkaclient

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reset says where a partition without a committed offset begins. The zero value is the end.
type Reset struct {
	kind resetKind
	back time.Duration // of resetBack: so long before now
}

type resetKind int

const (
	resetLatest resetKind = iota
	resetEarliest
	resetNone
	resetBack
)

// isoDuration is java.time.Duration's text, as Kafka takes it behind by_duration:.
var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?$`)

// ParseReset reads auto.offset.reset as Kafka 4 does: earliest, latest, none or
// by_duration:PnDTnHnMn.nS, in lower case. The error's text is the Java client's.
func ParseReset(text string) (Reset, error) {
	switch text {
	case "latest":
		return Reset{}, nil
	case "earliest":
		return Reset{kind: resetEarliest}, nil
	case "none":
		return Reset{kind: resetNone}, nil
	}
	if iso, ok := strings.CutPrefix(text, "by_duration:"); ok {
		if back, ok := parseISO(iso); ok {
			return Reset{kind: resetBack, back: back}, nil
		}
	}
	return Reset{}, fmt.Errorf("Invalid value %s for configuration auto.offset.reset: Invalid value `%s` for configuration auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.", text, text) //nolint:revive,staticcheck // the Java client's text
}

func parseISO(text string) (time.Duration, bool) {
	m := isoDuration.FindStringSubmatch(strings.ToUpper(text))
	if m == nil || m[0] == "P" || strings.HasSuffix(m[0], "T") {
		return 0, false
	}
	var total float64 // seconds
	for i, unit := range []float64{86400, 3600, 60, 1} {
		if m[i+1] != "" {
			n, err := strconv.ParseFloat(m[i+1], 64)
			if err != nil {
				return 0, false
			}
			total += n * unit
		}
	}
	if m[5] != "" {
		n, _ := strconv.ParseFloat("0."+m[5], 64) // digits: cannot fail
		total += n
	}
	const longest = 100 * 365 * 86400
	return time.Duration(min(total, longest) * float64(time.Second)), true
}

// offset is franz-go's word for it, for offsets that turn out to be out of range.
func (r Reset) offset(now time.Time) kgo.Offset {
	switch r.kind {
	case resetEarliest:
		return kgo.NewOffset().AtStart()
	case resetNone:
		return kgo.NoResetOffset()
	case resetBack:
		return kgo.NewOffset().AfterMilli(now.Add(-r.back).UnixMilli())
	}
	return kgo.NewOffset().AtEnd()
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// The names of the subjects, as they stand in the results.
const (
	nameE     = "E"        // bare net/http server
	nameK     = "K"        // franz-go straight to the broker
	nameSDK   = "SDK"      // aws-sdk-go-v2 straight to the embedded Kinesis
	nameOurs  = "headrace" // the gateway
	nameOther = "other"    // --other
)

// round is one pass of each subject, one after the other, by name.
type round map[string]pass

// result is all rounds of one load.
type result struct {
	Kind     string  `json:"kind"` // produce, kinesis or stream
	Load     load    `json:"load"`
	Rounds   []round `json:"rounds"`
	Produced int64   `json:"produced,omitempty"` // records acknowledged and found in the topic
}

// ceilingOf is C of one round: what a gateway could reach that adds nothing.
func (r result) ceilingOf(one round) float64 {
	switch r.Kind {
	case "kinesis":
		return one[nameSDK].Rate
	case "stream":
		return one[nameK].Rate
	}
	return ceiling(one[nameE].Rate, one[nameK].Rate)
}

// share is the median over the rounds of name's rate as a part of that same round's ceiling: pair
// by pair, so that a busy minute of the machine falls on both.
func (r result) share(name string) float64 {
	return median(r.shares(name))
}

// shares is what share takes the median of.
func (r result) shares(name string) []float64 {
	return r.each(func(one round) float64 { return ratio(one[name].Rate, r.ceilingOf(one)) })
}

func (r result) each(value func(round) float64) []float64 {
	values := make([]float64, len(r.Rounds))
	for i, one := range r.Rounds {
		values[i] = value(one)
	}
	return values
}

func (r result) overRounds(value func(round) float64) float64 { return median(r.each(value)) }

// of is the median over the rounds of one figure of name.
func (r result) of(name string, field func(pass) float64) float64 {
	return r.overRounds(func(one round) float64 { return field(one[name]) })
}

// has says whether name was measured.
func (r result) has(name string) bool {
	if len(r.Rounds) == 0 {
		return false
	}
	_, found := r.Rounds[0][name]
	return found
}

// runner measures loads against one broker and one gateway.
type runner struct {
	broker     *broker
	kinesis    *child // the embedded Kinesis
	bare       *child // E
	gateway    *gateway
	other      *url.URL // nil: none
	otherPID   int      // 0: unknown
	events     [][]byte
	rounds     int
	timing     timing
	partitions int
	pprof      string // host:port of the gateway's profiles; empty: none
	pprofDir   string
	progress   io.Writer
}

// produceLoad measures l: E, K, the gateway and the other, in this order, again and again.
func (r *runner) produceLoad(ctx context.Context, l load) (result, error) {
	topic := fmt.Sprintf("bench-%s-%d", l, time.Now().UnixMilli())
	if err := r.broker.createTopic(ctx, topic, r.partitions); err != nil {
		return result{}, err
	}
	direct, err := newKafkaClient(r.broker.bootstrap, topic)
	if err != nil {
		return result{}, err
	}
	defer direct.Close()

	grouped := groups(r.events, l.Records)
	bodies := make([][]byte, len(grouped))
	for i, group := range grouped {
		bodies[i] = produceBody(group)
	}
	bareURL := &url.URL{Scheme: "http", Host: r.bare.address}
	ours := produceTarget(r.gateway.base, topic, bodies, l.Records)
	k := &directKafka{client: direct, groups: grouped}
	subjects := []subject{
		{nameE, r.bare.pid(), produceTarget(bareURL, topic, bodies, l.Records).open},
		k.subject(),
		{nameOurs, r.gateway.pid(), ours.open},
	}
	if r.other != nil {
		subjects = append(subjects, subject{nameOther, r.otherPID, produceTarget(r.other, topic, bodies, l.Records).open})
	}
	before := func(ctx context.Context) error { return setAnswer(ctx, bareURL, ours.last.Load()) }
	res, answered, err := r.run(ctx, result{Kind: "produce", Load: l}, subjects, before)
	if err != nil {
		return result{}, err
	}
	if res.Produced, err = r.verify(ctx, topic, answered, l.Records); err != nil {
		return result{}, err
	}
	return res, r.broker.deleteTopic(ctx, topic)
}

// verify holds the topic to the answers: each acknowledged record is one that the broker has.
func (r *runner) verify(ctx context.Context, topic string, answered map[string]int, records int) (int64, error) {
	written, err := r.broker.written(ctx, topic)
	if err != nil {
		return 0, err
	}
	want := int64(answered[nameK]+answered[nameOurs]+answered[nameOther]) * int64(records)
	// Another gateway may write a record twice, ours may not.
	if written < want || (written > want && r.other == nil) {
		return 0, fmt.Errorf("topic %s has %d records, but %d were acknowledged", topic, written, want)
	}
	return written, nil
}

// putRecordLoad measures PUT /streams/{s}/record against the SDK on the same embedded Kinesis.
func (r *runner) putRecordLoad(ctx context.Context, connections int) (result, error) {
	l := load{1, connections}
	stream := fmt.Sprintf("bench-%d-%d", connections, time.Now().UnixMilli())
	client := newKinesisClient(r.kinesis.url(), connections)
	if err := createStream(ctx, client, stream); err != nil {
		return result{}, err
	}
	direct := &directKinesis{client: client, stream: stream, events: r.events}
	subjects := []subject{
		direct.subject(),
		{nameOurs, r.gateway.pid(), putRecordTarget(r.gateway.base, stream, r.events).open},
	}
	if r.other != nil {
		subjects = append(subjects, subject{nameOther, r.otherPID, putRecordTarget(r.other, stream, r.events).open})
	}
	res, _, err := r.run(ctx, result{Kind: "kinesis", Load: l}, subjects, func(context.Context) error { return nil })
	if err != nil {
		return result{}, err
	}
	_, err = client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &stream})
	return res, err
}

// createStream makes a stream of one shard and waits until it takes records.
func createStream(ctx context.Context, client *kinesis.Client, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &stream, ShardCount: aws.Int32(1)}); err != nil {
		return fmt.Errorf("creating stream %s: %w", stream, err)
	}
	for {
		out, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &stream})
		if err != nil {
			return fmt.Errorf("waiting for stream %s: %w", stream, err)
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return nil
		}
		if err := sleepUntil(ctx, time.Now().Add(10*time.Millisecond)); err != nil {
			return fmt.Errorf("waiting for stream %s: %w", stream, err)
		}
	}
}

// run measures the subjects of res in turn, r.rounds times. So that all start warm, each first has
// a short pass that does not count, the last subject first; before is called ahead of every pass
// of the first subject. answered counts the requests of each subject, those of the short passes too.
func (r *runner) run(ctx context.Context, res result, subjects []subject, before func(context.Context) error) (result, map[string]int, error) {
	answered := make(map[string]int)
	one := func(s subject, t timing) (pass, error) {
		p, err := measure(ctx, s, res.Load, t)
		answered[s.name] += p.Answered
		return p, err
	}
	for i, s := range slices.Backward(subjects) {
		if i == 0 { // E repeats what the gateway has answered by now
			if err := before(ctx); err != nil {
				return res, answered, err
			}
		}
		if _, err := one(s, timing{window: 300 * time.Millisecond}); err != nil {
			return res, answered, err
		}
	}
	for n := range r.rounds {
		if err := before(ctx); err != nil {
			return res, answered, err
		}
		passes := make(round, len(subjects))
		for _, s := range subjects {
			p, err := r.profiled(ctx, res, n, s, func() (pass, error) { return one(s, r.timing) })
			if err != nil {
				return res, answered, err
			}
			p.Round = n + 1
			passes[s.name] = p
		}
		res.Rounds = append(res.Rounds, passes)
		r.report(res, n)
	}
	return res, answered, nil
}

// profiled is measure, with a profile of the gateway's processor time taken beside it in the first
// round when profiles are asked for.
func (r *runner) profiled(ctx context.Context, res result, n int, s subject, measure func() (pass, error)) (pass, error) {
	if r.pprof == "" || n > 0 || s.name != nameOurs {
		return measure()
	}
	saved := make(chan error, 1)
	go func() {
		query := fmt.Sprintf("profile?seconds=%d", max(1, int((r.timing.warm+r.timing.window).Seconds())))
		saved <- r.saveProfile(ctx, query, fmt.Sprintf("%s-%s.cpu.prof", res.Kind, res.Load))
	}()
	p, err := measure()
	return p, errors.Join(err, <-saved, r.saveProfile(ctx, "allocs", fmt.Sprintf("%s-%s.allocs.prof", res.Kind, res.Load)))
}

// saveProfile writes /debug/pprof/what of the gateway to a file in r.pprofDir.
func (r *runner) saveProfile(ctx context.Context, what, name string) error {
	body, err := fetch(ctx, http.MethodGet, "http://"+r.pprof+"/debug/pprof/"+what, nil)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	return os.WriteFile(filepath.Join(r.pprofDir, name), body, 0o600)
}

// report tells the progress: a line a round.
func (r *runner) report(res result, n int) {
	one := res.Rounds[n]
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s, round %d of %d:", res.Kind, res.Load, n+1, r.rounds)
	for _, name := range []string{nameE, nameK, nameSDK, nameOurs, nameOther} {
		if p, found := one[name]; found {
			fmt.Fprintf(&line, "  %s %.0f/s", name, p.Rate)
		}
	}
	_, _ = fmt.Fprintf(r.progress, "%s  = %.0f %% of the ceiling\n", line.String(), 100*ratio(one[nameOurs].Rate, res.ceilingOf(one)))
}

// setAnswer makes document the answer of the bare server at base.
func setAnswer(ctx context.Context, base *url.URL, document *[]byte) error {
	if document == nil {
		return errors.New("the gateway gave no answer that the bare server could repeat")
	}
	_, err := fetch(ctx, http.MethodPut, base.String()+"/answer", *document)
	return err
}

// fetch makes one request that is no part of a load; anything but 200 is an error.
func fetch(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s %s: %w", method, address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: status %d: %s", method, address, resp.StatusCode, excerpt(got))
	}
	return got, nil
}

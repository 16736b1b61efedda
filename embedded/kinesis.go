// Package embedded holds a Kafka and a Kinesis in this process, for headrace dev and for tests.
// It refuses to be used in production: only cmd/headrace and tests import it.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// What the wire protocol says of itself.
// Source: the service model, Kinesis 2013-12-02, protocol json 1.1.
const (
	kinesisTarget   = "Kinesis_20131202."
	kinesisJSONType = "application/x-amz-json-1.1"
)

const (
	// maxKinesisBody holds a PutRecords of 10 MiB in base64 with 500 keys of 256 escaped characters.
	maxKinesisBody = 16 << 20
	// smallKinesisBody is what a call may take without asking the byte budget.
	smallKinesisBody = 64 << 10
	// keptKinesisBuffer is the largest buffer that is kept for later calls: a PutRecords of
	// 500 usual events fits.
	keptKinesisBuffer = 1 << 20
	// kinesisBodyBudget bounds the bytes of all larger bodies that are read at the same time.
	kinesisBodyBudget = 4 * maxKinesisBody
)

// KinesisConfig says how the in-process Kinesis behaves. Start from DefaultKinesisConfig:
// the zero value is not usable.
type KinesisConfig struct {
	Region           string           // in every ARN
	Account          string           // 12 digits, in every ARN and in error texts
	StatusDelay      time.Duration    // how long CREATING, UPDATING and DELETING can be seen
	IteratorLifetime time.Duration    // of shard iterators and paging tokens
	ShardLimit       int              // open shards of the account
	MaxBytes         int64            // records kept over all streams, with keys and bookkeeping; the oldest go first
	LogDir           string           // directory of the append-only log; empty: memory only
	RealLimits       bool             // throttle calls, shards and the account as the service does
	Faults           []KinesisFault   // what goes wrong on purpose
	Now              func() time.Time // the clock of statuses, arrivals, retention, limits and iterators
}

// DefaultKinesisConfig returns a Kinesis in memory, without limits and without faults.
func DefaultKinesisConfig() KinesisConfig {
	return KinesisConfig{
		Region:           "us-east-1",
		Account:          "000000000000",
		StatusDelay:      50 * time.Millisecond,
		IteratorLifetime: 300 * time.Second,
		ShardLimit:       1000,
		MaxBytes:         256 << 20,
		Now:              time.Now,
	}
}

// Validate names the first field that cannot work, with its value.
func (c KinesisConfig) Validate() error {
	switch {
	case c.Region == "":
		return errors.New("kinesis region is empty: name one, such as us-east-1")
	case len(c.Account) != 12 || strings.Trim(c.Account, "0123456789") != "":
		return fmt.Errorf("kinesis account %q: want 12 digits", c.Account)
	case c.IteratorLifetime <= 0:
		return fmt.Errorf("kinesis iterator lifetime %s: want more than 0", c.IteratorLifetime)
	case c.ShardLimit < 1:
		return fmt.Errorf("kinesis shard limit %d: want 1 or more", c.ShardLimit)
	case c.MaxBytes < 1<<20:
		return fmt.Errorf("kinesis byte cap %d: want %d or more", c.MaxBytes, 1<<20)
	case c.Now == nil:
		return errors.New("kinesis clock is nil: set Now to time.Now")
	}
	return nil
}

// Kinesis is an Amazon Kinesis Data Streams in this process: an http.Handler that speaks
// AWS JSON 1.1 over POST /, as contract/kinesis.md §5 lists it. It checks no signature.
// It listens nowhere by itself; who mounts it binds it to loopback. It is safe for
// concurrent use and starts no goroutine.
type Kinesis struct {
	cfg        KinesisConfig
	log        *slog.Logger
	operations map[string]operation
	buffers    sync.Pool // of *callBuffers
	bodies     *semaphore.Weighted
	faults     faults
	account    accountLimits

	// mu guards streams. Whoever changes a stream or its records holds it for reading, so that
	// holding it for writing stops the world (compaction of the log).
	mu      sync.RWMutex
	streams map[string]*stream

	bytes    atomic.Int64 // of all kept records
	trimming sync.Mutex
	journal  *journal // nil: memory only
	replayed bool     // by Replay, before the first call
}

// NewKinesis returns an empty Kinesis. With cfg.LogDir set, Replay comes before the first call.
// A cfg that Validate refuses is a bug of the caller and panics.
func NewKinesis(cfg KinesisConfig, log *slog.Logger) *Kinesis {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	k := &Kinesis{
		cfg:     cfg,
		log:     log,
		bodies:  semaphore.NewWeighted(kinesisBodyBudget),
		streams: map[string]*stream{},
	}
	k.buffers.New = func() any { return &callBuffers{} }
	k.operations = k.operationTable()
	k.faults.set(cfg.Faults)
	return k
}

// Close closes the log. Calls that come later answer 500 when they would have to be logged.
func (k *Kinesis) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.journal == nil {
		return nil
	}
	return k.journal.close()
}

// Records returns how many records of a stream were acknowledged since it was created,
// trimmed ones included; 0 for a stream that does not exist.
func (k *Kinesis) Records(name string) int64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s := k.streams[name]
	if s == nil {
		return 0
	}
	return s.puts.Load()
}

// callBuffers are the bytes of one call, used again by later ones.
type callBuffers struct {
	body  []byte
	out   []byte
	nodes []node
	d     decoder
	share int64 // of the byte budget, taken for body
}

// call is one request on its way through an operation.
type call struct {
	ctx context.Context
	now time.Time
	in  params
	out []byte // the answer is appended here; empty means no body
}

// ServeHTTP answers one call. Status and body are those of the service: 200, or 400 with
// {"__type":…,"message":…}, or 500 {"__type":"InternalFailure"}.
func (k *Kinesis) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", requestID())
	b := k.buffers.Get().(*callBuffers)
	defer k.recycle(b)

	name, err := k.read(w, r, b)
	if err == nil {
		err = k.run(r.Context(), name, b)
	}
	switch {
	case errors.Is(err, errDropped):
		panic(http.ErrAbortHandler) // the answer is lost on purpose: the client sees a cut connection
	case err != nil:
		k.writeError(w, name, err)
	default:
		w.Header().Set("Content-Type", kinesisJSONType)
		w.Header().Set("Content-Length", strconv.Itoa(len(b.out)))
		_, _ = w.Write(b.out) // the client is gone: nobody is left to tell
	}
}

func (k *Kinesis) recycle(b *callBuffers) {
	if b.share > 0 {
		k.bodies.Release(b.share)
		b.share = 0
	}
	if cap(b.body) > keptKinesisBuffer || cap(b.out) > keptKinesisBuffer {
		return
	}
	clear(b.nodes)
	clear(b.d.values)
	b.body, b.out, b.nodes, b.d.values = b.body[:0], b.out[:0], b.nodes[:0], b.d.values[:0]
	k.buffers.Put(b)
}

// read checks the frame of the request and reads its body into b.
// It returns the name of the operation, "" when the target names none of ours.
func (k *Kinesis) read(w http.ResponseWriter, r *http.Request, b *callBuffers) (string, error) {
	target := r.Header.Get("X-Amz-Target")
	if r.Method != http.MethodPost || target == "" {
		return "", &frameError{
			http.StatusForbidden, "AccessDeniedException",
			"Unable to determine service/operation name to be authorized",
		}
	}
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(mediaType) != kinesisJSONType {
		return "", &frameError{
			http.StatusNotFound, "UnknownOperationException",
			"Content-Type is " + strconv.Quote(mediaType) + ": only " + kinesisJSONType +
				" is spoken here (Java clients: set AWS_CBOR_DISABLE=true)",
		}
	}
	if err := k.readBody(w, r, b); err != nil {
		return "", err
	}
	name, ours := strings.CutPrefix(target, kinesisTarget)
	if _, ok := k.operations[name]; !ours || !ok {
		name = ""
	}
	return name, nil
}

// readBody reads the whole body into b.body. Bodies over smallKinesisBody wait for their
// share of the byte budget, until the client goes away.
func (k *Kinesis) readBody(w http.ResponseWriter, r *http.Request, b *callBuffers) error {
	tooLarge := &kinesisError{
		http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException",
		"the body is over " + strconv.Itoa(maxKinesisBody) + " bytes",
	}
	size := r.ContentLength
	if size > maxKinesisBody {
		return tooLarge
	}
	if size < 0 { // chunked: it may become as large as is allowed
		size = maxKinesisBody
	}
	if size > smallKinesisBody {
		if err := k.bodies.Acquire(r.Context(), size); err != nil {
			return serializationError("")
		}
		b.share = size // given back by recycle
	}
	var err error
	if r.ContentLength >= 0 {
		b.body, err = readExactly(r.Body, b.body, int(size))
	} else {
		b.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxKinesisBody))
	}
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return tooLarge
	}
	if err != nil {
		return serializationError("")
	}
	return nil
}

func readExactly(r io.Reader, buf []byte, n int) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	return buf, err
}

// run decodes and checks the body in b and does the operation; the answer is in b.out.
func (k *Kinesis) run(ctx context.Context, name string, b *callBuffers) error {
	if k.cfg.LogDir != "" && !k.replayed {
		return internalFailure("the log in " + k.cfg.LogDir + " has not been replayed: call Replay before serving")
	}
	root, err := b.parse()
	if err != nil {
		if name == "" && len(b.body) == 0 {
			return unknownOperation()
		}
		return serializationError("")
	}
	if name == "" {
		return unknownOperation()
	}
	drop, err := k.faults.call(ctx, name)
	if err != nil {
		return err
	}
	op := k.operations[name]
	c := call{ctx: ctx, now: k.cfg.Now(), out: b.out}
	if k.cfg.RealLimits && !k.account.allow(name, c.now) {
		return limitExceeded("Rate exceeded for account " + k.cfg.Account + ".")
	}
	b.d.nodes = b.nodes
	if c.in, err = b.d.decode(op.fields, root); err != nil {
		return err
	}
	if err := op.run(&c); err != nil {
		return err
	}
	b.out = c.out
	k.rewriteLarge()
	if drop {
		return errDropped
	}
	return nil
}

// writeError answers err as the service would. An error that is none of ours is a bug:
// it is logged and answered as InternalFailure.
func (k *Kinesis) writeError(w http.ResponseWriter, operation string, err error) {
	var frame *frameError
	if errors.As(err, &frame) {
		frame.write(w)
		return
	}
	var known *kinesisError
	if !errors.As(err, &known) {
		k.log.Error("kinesis call failed", "operation", operation, "err", err)
		known = internalFailure("")
	}
	known.write(w)
}

// requestID returns a random UUID: an id to find a call by, no secret.
func requestID() string {
	const digits = "0123456789abcdef"
	var id [36]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range id {
		switch i {
		case 8, 13, 18, 23:
			id[i] = '-'
			continue
		case 19: // half of the random bits are used up
			hi = lo
		}
		id[i] = digits[hi&15]
		hi >>= 4
	}
	id[14], id[19] = '4', digits[8|rand.Uint64()&3]
	return string(id[:])
}

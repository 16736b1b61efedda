package kafkaclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// InstancesConfig is what consumer instances have in common. Start from DefaultInstancesConfig.
type InstancesConfig struct {
	ConsumerConfig                  // Group, Topics, TopicsRegex and StartLatest are the instances' own
	Assignors         []string      // partition.assignment.strategy: range, roundrobin, sticky, cooperative-sticky
	CreateTopics      bool          // allow.auto.create.topics: a subscription makes missing topics where the brokers do
	CommitInterval    time.Duration `key:"auto.commit.interval.ms" validate:"gte=0"` // auto.commit.interval.ms
	MaxPollRecords    int           `key:"max.poll.records" validate:"gt=0"`         // max.poll.records: records taken from the client at once
	IdleTimeout       time.Duration // consumer.instance.timeout.ms: without a call for so long, an instance is closed
	Threads           int           `key:"consumer.threads" validate:"gt=0"`                         // consumer.threads: reads that encode records at the same time
	MemoryBytes       int64         `key:"headrace.v2.consumers.memory.bytes" validate:"gte=262144"` // of fetched records, over all instances
	MaxInstances      int           // 0: no limit
	FetchInitialBytes int32         // a fetch of an instance that has not shown that it needs more
}

// DefaultInstancesConfig returns the defaults of the REST Proxy and of the Java client.
func DefaultInstancesConfig() InstancesConfig {
	return InstancesConfig{
		ConsumerConfig:    DefaultConsumerConfig(),
		Assignors:         []string{"range", "cooperative-sticky"},
		CreateTopics:      true,
		CommitInterval:    5 * time.Second,
		MaxPollRecords:    30,
		IdleTimeout:       5 * time.Minute,
		Threads:           50,
		MemoryBytes:       256 << 20,
		FetchInitialBytes: 256 << 10,
	}
}

// Validate names every field that cannot work, with its value.
func (c InstancesConfig) Validate() error { return check(c) }

var (
	// ErrNoInstance says that there is no instance of that name in that group: unknown, deleted or expired.
	ErrNoInstance = errors.New("no such consumer instance")
	// ErrInstanceExists says that the name is taken in its group.
	ErrInstanceExists = errors.New("consumer instance exists")
)

// InstanceSpec is what one instance was made with.
type InstanceSpec struct {
	Group, Name string
	Format      string        // of keys and values in answers; opaque here
	Reset       Reset         // where partitions without a committed offset begin
	AutoCommit  bool          // commit by itself what answers have delivered
	Wait        time.Duration // consumer.request.timeout.ms: the longest read
	MinBytes    int64         // fetch.min.bytes: a read answers when it has more; below 0: see ReadOptions
}

type instanceKey struct{ group, name string }

// Instances are the consumers behind the REST API, by group and name. Make it with NewInstances;
// all methods may be called from any goroutine.
type Instances struct {
	cfg     InstancesConfig
	log     *slog.Logger
	admin   *Admin // asks what needs no membership of a group
	memory  *semaphore.Weighted
	threads *semaphore.Weighted

	mu     sync.Mutex
	all    map[instanceKey]*Instance
	closed bool

	background sync.WaitGroup // sweep, closings, commits nobody waits for
	stop       context.CancelFunc
	running    context.Context //nolint:containedctx // of the background work, which ends with Close
}

// sweepInterval is how often idle and expired instances are looked for.
const sweepInterval = time.Second

// fetchGrace is how long an instance goes on fetching ahead after a read.
const fetchGrace = 5 * time.Second

// NewInstances returns an empty set. It connects when it is first used.
func NewInstances(cfg InstancesConfig, log *slog.Logger, reg prometheus.Registerer) (*Instances, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := balancers(cfg.Assignors); err != nil {
		return nil, err
	}
	cfg.Config = cfg.Config.shared(log) // one login for all
	admin, err := NewAdmin(cfg.Config, log)
	if err != nil {
		return nil, err
	}
	s := &Instances{
		cfg: cfg, log: log, admin: admin,
		memory:  semaphore.NewWeighted(cfg.MemoryBytes),
		threads: semaphore.NewWeighted(int64(cfg.Threads)),
		all:     map[instanceKey]*Instance{},
	}
	s.running, s.stop = context.WithCancel(context.Background())
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "headrace_consumer_instances", Help: "Consumer instances that are there.",
	}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.all))
	}))
	s.background.Go(func() { s.sweep(s.running) })
	return s, nil
}

// Create makes an instance. It joins its group at the first read. ErrInstanceExists when the
// name is taken.
func (s *Instances) Create(spec InstanceSpec) (*Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := instanceKey{spec.Group, spec.Name}
	if s.closed {
		return nil, ErrNoInstance
	}
	if s.all[key] != nil {
		return nil, ErrInstanceExists
	}
	i := newInstance(s, spec)
	s.all[key] = i
	return i, nil
}

// Find returns an instance and puts off its end. ErrNoInstance when there is none.
func (s *Instances) Find(group, name string) (*Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.all[instanceKey{group, name}]
	if i == nil {
		return nil, ErrNoInstance
	}
	i.touch()
	return i, nil
}

// Has reports whether an instance is there, without putting off its end.
func (s *Instances) Has(group, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[instanceKey{group, name}] != nil
}

// closeWait is how long Delete waits for the last commit and for the group to be left. What takes
// longer goes on behind its back.
const closeWait = 3 * time.Second

// Delete closes an instance: it commits what answers have delivered, if it commits by itself, and
// leaves its group. ErrNoInstance when there is none.
func (s *Instances) Delete(ctx context.Context, group, name string) error {
	i, err := s.Find(group, name)
	if err != nil {
		return err
	}
	if !s.remove(i) {
		return ErrNoInstance
	}
	i.acknowledge()
	ctx, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	select {
	case <-s.close(i): //nolint:contextcheck // the group is left whether the caller waits or not
	case <-ctx.Done():
	}
	return nil
}

// remove takes an instance out of the table; false when somebody else has.
func (s *Instances) remove(i *Instance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := instanceKey{i.spec.Group, i.spec.Name}
	if s.all[key] != i {
		return false
	}
	delete(s.all, key)
	return true
}

// close ends a removed instance in the background and says when that is done.
func (s *Instances) close(i *Instance) <-chan struct{} {
	done := make(chan struct{})
	s.background.Go(func() {
		defer close(done)
		i.end()
	})
	return done
}

// sweep closes instances that were not called for too long, and lets others rest.
func (s *Instances) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.sweepOnce(now) //nolint:contextcheck // ends have a clock of their own
		}
	}
}

func (s *Instances) sweepOnce(now time.Time) {
	for _, i := range s.list() {
		idle := i.idle(now)
		if idle >= s.cfg.IdleTimeout && s.remove(i) {
			s.log.Info("consumer instance expired", "group", i.spec.Group, "instance", i.spec.Name, "idle", idle.Round(time.Second))
			s.close(i)
			continue
		}
		if idle >= fetchGrace {
			i.rest()
		}
	}
}

func (s *Instances) list() []*Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Instance, 0, len(s.all))
	for _, i := range s.all {
		all = append(all, i)
	}
	return all
}

// acquire takes n bytes of the memory for fetched records. When there are none left, instances
// that nobody is reading give up theirs, the longest idle first. It fails when ctx ends first.
func (s *Instances) acquire(ctx context.Context, n int64) error {
	n = min(n, s.cfg.MemoryBytes)
	if s.memory.TryAcquire(n) {
		return nil
	}
	now := time.Now()
	all := s.list()
	slices.SortFunc(all, func(a, b *Instance) int { return cmp.Compare(b.idle(now), a.idle(now)) })
	for _, i := range all {
		if i.idle(now) > 0 {
			i.rest() //nolint:contextcheck // it does not wait
		}
		if s.memory.TryAcquire(n) {
			return nil
		}
	}
	return s.memory.Acquire(ctx, n)
}

// Close ends all instances, waiting until ctx ends at most.
func (s *Instances) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, i := range s.list() {
		if s.remove(i) {
			s.close(i) //nolint:contextcheck // ends have a clock of their own
		}
	}
	s.stop()
	done := make(chan struct{})
	go func() {
		s.background.Wait()
		close(done)
	}()
	defer s.admin.Close()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("leaving the groups of consumer instances: %w", ctx.Err())
	}
}

package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/kafkaclient"
	"headrace/peers"
)

// replica is one of several gateways.
type replica struct {
	*consumerBench
	kill func()
}

// replicas starts three gateways that know each other, over one fake Kafka.
func replicas(t *testing.T) []*replica {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	var listeners []net.Listener
	pcfg := peers.DefaultConfig()
	pcfg.Secret, pcfg.Probe = "sixteen characters", 50*time.Millisecond
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, ln)
		pcfg.Peers = append(pcfg.Peers, "http://"+ln.Addr().String())
	}
	log := slog.New(slog.DiscardHandler)
	var all []*replica
	for n, ln := range listeners {
		icfg := kafkaclient.DefaultInstancesConfig()
		icfg.Brokers = cluster.ListenAddrs()
		icfg.HeartbeatInterval = 100 * time.Millisecond
		instances, err := kafkaclient.NewInstances(icfg, log, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConsumersConfig()
		cfg.Reset = "earliest"
		own := pcfg
		own.Self = pcfg.Peers[n]
		p, err := peers.New(t.Context(), own, log)
		if err != nil {
			t.Fatal(err)
		}
		c := NewConsumers(cfg, instances, NewBudget(1<<26), 1<<20, log)
		c.WithPeers(p)
		hcfg := DefaultConfig()
		hcfg.V3 = false
		h := New(hcfg, nil, nil, nil, nil, NewBudget(1<<26), log)
		h.WithConsumers(c)
		router := chi.NewRouter()
		h.Routes(router)
		router.Get("/livez", func(http.ResponseWriter, *http.Request) {})
		srv := httptest.NewUnstartedServer(router)
		_ = srv.Listener.Close()
		srv.Listener = ln
		srv.Start()
		killed := false
		kill := func() {
			if killed {
				return
			}
			killed = true
			_ = ln.Close()
			srv.CloseClientConnections()
			p.Close()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
			defer cancel()
			if err := instances.Close(ctx); err != nil {
				t.Error(err)
			}
			srv.Close()
		}
		t.Cleanup(kill)
		all = append(all, &replica{&consumerBench{url: srv.URL, kafka: client, admin: kadm.NewClient(client)}, kill})
	}
	return all
}

// instancePath is the path in an answer to a create.
func instancePath(t *testing.T, body string) string {
	t.Helper()
	at := strings.Index(body, "/consumers/")
	if at < 0 {
		t.Fatalf("no base_uri in %s", body)
	}
	return strings.TrimSuffix(body[at:], `"}`)
}

// Every replica takes every call; HEADRACE_TEST_READS=10000 makes it long.
func TestReplicasBehindARoundRobin(t *testing.T) {
	all := replicas(t)
	turn := 0
	next := func() *replica {
		turn++
		return all[turn%len(all)]
	}
	path := instancePath(t, next().must(t, 200, "POST", "/consumers/g", `{"format":"json","consumer.request.timeout.ms":10000}`))
	next().must(t, 204, "POST", path+"/subscription", `{"topics":["t"]}`)
	reads, err := strconv.Atoi(os.Getenv("HEADRACE_TEST_READS"))
	if err != nil {
		reads = 300
	}
	for n := range reads {
		all[0].store(t, "t", int32(n%2), strconv.Itoa(n))
		same(t, "a read", valuesOf(t, next().must(t, 200, "GET", path+"/records", "", "Accept", embeddedJSON)), strconv.Itoa(n))
	}
	next().must(t, 200, "POST", path+"/offsets", "")
	next().must(t, 204, "DELETE", path, "")
	next().must(t, 404, "GET", path+"/subscription", "")
}

// A chosen name is one instance, wherever it is asked for, with or without its owner behind it.
func TestReplicasShareNames(t *testing.T) {
	all := replicas(t)
	for n := range 6 {
		name := fmt.Sprintf("c%d", n)
		path := instancePath(t, all[n%3].must(t, 200, "POST", "/consumers/g", `{"name":"`+name+`","format":"json"}`))
		if !strings.HasPrefix(path, "/consumers/g/instances/"+name+"~") {
			t.Errorf("base_uri of %s ends in %s, want its owner in it", name, path)
		}
		for _, r := range all {
			if got := r.call(t, "POST", "/consumers/g", `{"name":"`+name+`"}`); got.status != 409 {
				t.Errorf("a second %s: %+v, want 409", name, got)
			}
			r.must(t, 200, "GET", "/consumers/g/instances/"+name+"/subscription", "")
			r.must(t, 200, "GET", path+"/subscription", "")
		}
	}
	all[0].must(t, 404, "GET", "/consumers/g/instances/nobody/subscription", "")
}

// Who dies takes its own instances along and no others, and that is said, also to a read under way.
func TestADeadReplicaIsTold(t *testing.T) {
	all := replicas(t)
	var paths []string
	for _, r := range all {
		path := instancePath(t, r.must(t, 200, "POST", "/consumers/g", `{"format":"json","consumer.request.timeout.ms":20000}`))
		r.must(t, 204, "POST", path+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`)
		paths = append(paths, path)
	}
	waiting := make(chan reply, 1)
	go func() { waiting <- all[1].call(t, "GET", paths[0]+"/records", "", "Accept", embeddedJSON) }()
	all[1].must(t, 200, "GET", paths[0]+"/assignments", "") // the read has been passed on, or will be refused
	started := time.Now()
	all[0].kill()
	for _, got := range []reply{<-waiting, all[2].call(t, "GET", paths[0]+"/records", "", "Accept", embeddedJSON)} {
		if got.status != 404 || !strings.Contains(got.body, `"error_code":40403`) {
			t.Errorf("an instance of the dead replica: %+v, want 404 with 40403", got)
		}
	}
	if got := all[2].call(t, "GET", paths[0]+"/records", "", "Accept", embeddedJSON); !strings.Contains(got.body, "POST /consumers/{group}") {
		t.Errorf("%s does not say how to go on", got.body)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("that took %s", took)
	}
	all[0].store(t, "t", 0, "1")
	for n := 1; n < 3; n++ {
		same(t, "the others", valuesOf(t, all[3-n].must(t, 200, "GET", paths[n]+"/records", "", "Accept", embeddedJSON)), "1")
	}
}

// A signature counts once, for what it was made for.
func TestPeersProveThemselves(t *testing.T) {
	all := replicas(t)
	path := instancePath(t, all[0].must(t, 200, "POST", "/consumers/g", `{}`))
	for _, signature := range []string{"", "x", fmt.Sprintf("%d:nonce:00", time.Now().Unix())} {
		got := all[0].call(t, "GET", path+"/subscription", "", "X-Headrace-Peer", signature)
		if got.status != 403 {
			t.Errorf("signature %q: %+v, want 403", signature, got)
		}
	}
}

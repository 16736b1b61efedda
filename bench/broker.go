package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// broker is the Kafka that K and the gateway both write to.
type broker struct {
	bootstrap []string
	name      string // for the report
	admin     *kadm.Client
	fake      *child // nil when a real one was given
}

// openBroker connects to bootstrap ("host:port,…"), or starts a kfake when it is empty.
func openBroker(ctx context.Context, bootstrap string) (*broker, error) {
	b := &broker{name: "Kafka at " + bootstrap, bootstrap: strings.Split(bootstrap, ",")}
	if bootstrap == "" {
		fake, err := startChild(ctx, kafkaCommand)
		if err != nil {
			return nil, err
		}
		b.fake, b.bootstrap, b.name = fake, []string{fake.address}, "kfake (in memory, values dropped)"
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.bootstrap...))
	if err != nil {
		b.close()
		return nil, fmt.Errorf("connecting to %s: %w", b.name, err)
	}
	b.admin = kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if _, err := b.admin.ListBrokers(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("asking %s for its brokers: %w", b.name, err)
	}
	return b, nil
}

// createTopic makes a topic as replicated as the cluster's default has it.
func (b *broker) createTopic(ctx context.Context, topic string, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := b.admin.CreateTopic(ctx, int32(partitions), -1, nil, topic)
	if err = errors.Join(err, answer.Err); err != nil {
		return fmt.Errorf("creating topic %s: %w", topic, err)
	}
	return nil
}

func (b *broker) deleteTopic(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if _, err := b.admin.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("deleting topic %s: %w", topic, err)
	}
	return nil
}

// written returns how many records topic has taken since it was made.
func (b *broker) written(ctx context.Context, topic string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ends, err := b.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the end offsets of %s: %w", topic, err)
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, nil
}

func (b *broker) close() {
	if b.admin != nil {
		b.admin.Close()
	}
	if b.fake != nil {
		b.fake.stop()
	}
}

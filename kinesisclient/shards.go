package kinesisclient

import (
	"context"
	"encoding/json"
	"fmt"
)

// Shard is one shard of a stream.
type Shard struct {
	ID      string
	Parents []string // none, one after a split, two after a merge; they may be trimmed already
	Closed  bool     // takes no more records
}

// Shards lists all shards of a stream that still hold records, oldest first, closed ones too.
// Errors: as Call.
func (c *Client) Shards(ctx context.Context, stream string) ([]Shard, error) {
	var shards []Shard
	request := map[string]any{"StreamName": stream}
	for {
		var page struct {
			Shards []struct {
				ShardID             string `json:"ShardId"`
				ParentShardID       string `json:"ParentShardId"`
				AdjacentParent      string `json:"AdjacentParentShardId"`
				SequenceNumberRange struct{ EndingSequenceNumber string }
			}
			NextToken string
		}
		if err := c.ask(ctx, OpListShards, request, &page); err != nil {
			return nil, fmt.Errorf("listing the shards of %s: %w", stream, err)
		}
		for _, s := range page.Shards {
			shard := Shard{ID: s.ShardID, Closed: s.SequenceNumberRange.EndingSequenceNumber != ""}
			for _, parent := range []string{s.ParentShardID, s.AdjacentParent} {
				if parent != "" {
					shard.Parents = append(shard.Parents, parent)
				}
			}
			shards = append(shards, shard)
		}
		if page.NextToken == "" {
			return shards, nil
		}
		request = map[string]any{"NextToken": page.NextToken} // the service takes no name beside it
	}
}

// StreamNames lists the names of all streams, sorted. Errors: as Call.
func (c *Client) StreamNames(ctx context.Context) ([]string, error) {
	var names []string
	request := map[string]any{}
	for {
		var page struct {
			StreamNames    []string
			HasMoreStreams bool
		}
		if err := c.ask(ctx, OpListStreams, request, &page); err != nil {
			return nil, fmt.Errorf("listing the streams: %w", err)
		}
		names = append(names, page.StreamNames...)
		if !page.HasMoreStreams || len(page.StreamNames) == 0 {
			return names, nil
		}
		request["ExclusiveStartStreamName"] = names[len(names)-1]
	}
}

// ask makes a call whose question and answer are small.
func (c *Client) ask(ctx context.Context, op string, request, into any) error {
	body := NewBody()
	defer body.Free()
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	body.Bytes = append(body.Bytes, text...)
	answer, err := c.Call(ctx, op, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", op, err)
	}
	return nil
}

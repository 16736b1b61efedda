package handlers

import (
	"context"
	"net/http"
	"strconv"

	"headrace/kafkaclient"
)

// seek moves to offsets first, then to times (contract: kafka-rest-v2.md §4.6).
func (c *Consumers) seek(w http.ResponseWriter, r *http.Request, _ string) error {
	var asked seekRequest
	if err := c.requiredBody(r, "seekToOffset.arg3", asked.read); err != nil {
		return err
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	if len(asked.offsets) > 0 {
		if err := i.Seek(r.Context(), asked.offsets); err != nil {
			return err
		}
	}
	if len(asked.times) > 0 {
		if err := i.SeekToTime(r.Context(), asked.times); err != nil {
			return err
		}
	}
	return noContent(w)
}

func (c *Consumers) seekToBeginning(w http.ResponseWriter, r *http.Request, _ string) error {
	return c.seekToEnds(w, r, "seekToBeginning.arg3", (*kafkaclient.Instance).SeekToBeginning)
}

func (c *Consumers) seekToEnd(w http.ResponseWriter, r *http.Request, _ string) error {
	return c.seekToEnds(w, r, "seekToEnd.arg3", (*kafkaclient.Instance).SeekToEnd)
}

func (c *Consumers) seekToEnds(w http.ResponseWriter, r *http.Request, argument string, move func(*kafkaclient.Instance, context.Context, []kafkaclient.TopicPartition) error) error {
	asked, err := c.partitionsBody(r, argument)
	if err != nil {
		return err
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	if err := move(i, r.Context(), asked); err != nil {
		return err
	}
	return noContent(w)
}

// commit stores offsets + 1, or the positions when there is no body (contract: kafka-rest-v2.md §4.7).
func (c *Consumers) commit(w http.ResponseWriter, r *http.Request, answer string) error {
	var asked commitRequest
	if _, err := c.body(r, asked.read); err != nil {
		return err
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	if asked.given {
		err = i.Commit(r.Context(), asked.offsets)
	} else {
		err = i.CommitPositions(r.Context())
	}
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, answer, []byte("[]"))
	return nil
}

// committed lists what the group has stored. Without a body it is a 404, as in the reference.
func (c *Consumers) committed(w http.ResponseWriter, r *http.Request, answer string) error {
	var asked partitionsRequest
	there, err := c.body(r, asked.read)
	if err != nil {
		return err
	}
	if !there {
		return errPartitionNotFound
	}
	if !asked.given {
		return errNoList("committedOffsets.arg3", "partitions")
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	offsets, err := i.Committed(r.Context(), asked.partitions)
	if err != nil {
		return err
	}
	body := append([]byte(nil), `{"offsets":[`...)
	for n, o := range offsets {
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"topic":`...)
		body = appendString(body, o.Topic)
		body = append(body, `,"partition":`...)
		body = strconv.AppendInt(body, int64(o.Partition), 10)
		body = append(body, `,"offset":`...)
		body = strconv.AppendInt(body, o.Offset, 10)
		body = append(body, `,"metadata":`...)
		body = append(appendString(body, o.Metadata), '}')
	}
	writeBody(w, http.StatusOK, answer, append(body, "]}"...))
	return nil
}

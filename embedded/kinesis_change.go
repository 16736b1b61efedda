package embedded

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

func (k *Kinesis) createStream(c *call) error {
	name := c.in.text("StreamName")
	state := streamState{
		Name: name, Created: c.now.UnixMilli(), Status: creating, Mode: provisioned,
		Retention: defaultRetentionHours, MaxRecordKiB: c.in.or("MaxRecordSizeInKiB", defaultMaxRecordKiB),
		Tags: map[string]string{},
	}
	if details := c.in.get("StreamModeDetails"); details.set {
		state.Mode = details.items[0].text("StreamMode")
	}
	count := c.in.or("ShardCount", 0)
	if state.Mode == onDemand {
		count = onDemandShards
	} else if count == 0 {
		return invalidMember("shardCount", "null", "Member must not be null")
	}
	if err := k.setTags(&state, c.in.get("Tags")); err != nil {
		return err
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	open, streams, err := k.inUse(c.now.UnixMilli())
	if err != nil {
		return err
	}
	maps.DeleteFunc(k.streams, func(_ string, s *stream) bool { return s.gone })
	if k.streams[name] != nil {
		return inUse("Stream %s under account %s already exists.", name, k.cfg.Account)
	}
	if k.cfg.RealLimits && streams[creating] >= maxCreating {
		return limitExceeded("This request would exceed the limit of 5 streams in state CREATING for the account " + k.cfg.Account + ".")
	}
	if err := k.roomFor(count, open); err != nil {
		return err
	}
	s := newStream(state)
	k.begin(c, s, creating, change{Kind: createChange, Count: count})
	if err := k.journal.state(s.snapshot()); err != nil {
		return err
	}
	k.streams[name] = s
	return nil
}

// maxCreating is how many streams may be in state CREATING. Source: the model's documentation of CreateStream.
const maxCreating = 5

// roomFor checks that the account may have more open shards.
func (k *Kinesis) roomFor(more, open int) error {
	if open+more <= k.cfg.ShardLimit {
		return nil
	}
	err := invalidArgument("This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. "+
		"Limit: %d. Number of additional shards that would have resulted from this request: %d. "+
		"Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) "+
		"for current limits and how to request higher limits.", k.cfg.Account, k.cfg.Region, open, k.cfg.ShardLimit, more)
	err.kind = limitExceededException
	return err
}

func (k *Kinesis) deleteStream(c *call) error {
	return k.alter(c, func(s *stream) error {
		if s.Status == deleting {
			return nil
		}
		k.bytes.Add(-s.clear())
		k.begin(c, s, deleting, change{Kind: deleteChange})
		return nil
	})
}

func (k *Kinesis) splitShard(c *call) error {
	at, ok := parseHashKey(c.in.text("NewStartingHashKey"))
	return k.reshard(c, 1, func(s *stream) (change, error) {
		sh, err := k.eligibleShard(c, s, "ShardToSplit")
		if err != nil {
			return change{}, err
		}
		if !ok || !sh.Start.next().less(at) || !at.less(sh.End) {
			return change{}, invalidArgument("NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s "+
				"is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
				c.in.text("NewStartingHashKey"), sh.id, s.Name, k.cfg.Account, sh.Start, sh.End)
		}
		return change{Kind: splitChange, Shard: sh.Index, Split: at}, nil
	})
}

func (k *Kinesis) mergeShards(c *call) error {
	return k.reshard(c, -1, func(s *stream) (change, error) {
		a, err := k.eligibleShard(c, s, "ShardToMerge")
		if err != nil {
			return change{}, err
		}
		b, err := k.eligibleShard(c, s, "AdjacentShardToMerge")
		if err != nil {
			return change{}, err
		}
		low, high := a, b
		if high.Start.less(low.Start) {
			low, high = high, low
		}
		if low.End == maxHashKey() || low.End.next() != high.Start {
			return change{}, invalidArgument("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
				a.id, b.id, s.Name, k.cfg.Account)
		}
		return change{Kind: mergeChange, Shard: a.Index, Other: b.Index}, nil
	})
}

// eligibleShard finds the open shard that a member names.
func (k *Kinesis) eligibleShard(c *call, s *stream, member string) (*shard, error) {
	id := c.in.text(member)
	index, ok := shardIndex(id)
	sh := s.shard(index)
	if !ok || sh == nil {
		return nil, notFound("Could not find shard %s in stream %s under account %s.", id, s.Name, k.cfg.Account)
	}
	if !sh.open() {
		return nil, invalidArgument("Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.",
			sh.id, s.Name, k.cfg.Account)
	}
	return sh, nil
}

// reshard plans a change of the shards of a provisioned stream by plan, after which there are
// more open shards than before (fewer: negative). The stream is UPDATING until then.
func (k *Kinesis) reshard(c *call, more int, plan func(*stream) (change, error)) error {
	k.mu.RLock()
	open, _, err := k.inUse(c.now.UnixMilli())
	k.mu.RUnlock()
	if err != nil {
		return err
	}
	return k.alterActive(c, func(s *stream) error {
		if s.Mode == onDemand {
			return badRequest(validationException, "Request is invalid. Stream "+s.Name+" under account "+k.cfg.Account+
				" is in On-Demand mode.")
		}
		next, err := plan(s)
		if err != nil {
			return err
		}
		if next.Kind == rescaleChange {
			more = next.Count - len(s.opened)
		}
		if more > 0 {
			if err := k.roomFor(more, open); err != nil {
				return err
			}
		}
		k.begin(c, s, updating, next)
		return nil
	})
}

// maxRescales is how often UpdateShardCount may be called on a stream in 24 hours.
// Source: the model's documentation of UpdateShardCount.
const maxRescales = 10

func (k *Kinesis) updateShardCount(c *call) error {
	target, before, name := c.in.or("TargetShardCount", 0), 0, ""
	err := k.reshard(c, 0, func(s *stream) (change, error) {
		before, name = len(s.opened), s.Name
		day := c.now.UnixMilli() - 24*hourMillis
		rescaled := slices.DeleteFunc(slices.Clone(s.Rescaled), func(at int64) bool { return at < day })
		switch {
		case target > 2*before:
			return change{}, scaleError("up over double", before, target)
		case 2*target < before:
			return change{}, scaleError("down below half", before, target)
		case k.cfg.RealLimits && len(rescaled) >= maxRescales:
			return change{}, limitExceeded("Exceeded the maximum number of UpdateShardCount operations on stream " + s.Name +
				" in a rolling 24-hour period.")
		}
		rescaled = append(rescaled, c.now.UnixMilli())
		s.Rescaled = rescaled
		return change{Kind: rescaleChange, Count: target}, nil
	})
	if err != nil {
		return err
	}
	return c.reply(struct {
		StreamName, StreamARN               string
		CurrentShardCount, TargetShardCount int
	}{name, k.arn(name), before, target})
}

func scaleError(how string, open, target int) error {
	err := invalidArgument("UpdateShardCount cannot scale %s your current open shard count. Current open shard count: %d Target shard count: %d",
		how, open, target)
	err.kind = limitExceededException
	return err
}

func (k *Kinesis) updateMaxRecordSize(c *call) error {
	return k.alterActive(c, func(s *stream) error {
		k.begin(c, s, updating, change{Kind: resizeChange, Count: c.in.or("MaxRecordSizeInKiB", 0)})
		return nil
	})
}

func (k *Kinesis) increaseRetention(c *call) error {
	return k.setRetention(c, func(s *stream, hours int) error {
		if hours < s.Retention {
			return invalidArgument("Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours)."+
				" Use DecreaseRetentionPeriod API.", hours, s.Name, s.Retention)
		}
		return nil
	})
}

func (k *Kinesis) decreaseRetention(c *call) error {
	return k.setRetention(c, func(s *stream, hours int) error {
		if hours > s.Retention {
			return invalidArgument("Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours)."+
				" Use IncreaseRetentionPeriod API.", hours, s.Name, s.Retention)
		}
		return nil
	})
}

func (k *Kinesis) setRetention(c *call, check func(s *stream, hours int) error) error {
	hours := c.in.or("RetentionPeriodHours", 0)
	return k.alterActive(c, func(s *stream) error {
		switch {
		case hours < defaultRetentionHours:
			return invalidArgument("Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.",
				defaultRetentionHours, hours)
		case hours > maxRetentionHours:
			return invalidArgument("Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.",
				maxRetentionHours, hours)
		}
		if err := check(s, hours); err != nil {
			return err
		}
		s.Retention = hours
		return nil
	})
}

// maxTags is how many tags a stream may have. Source: the model's documentation of CreateStream.
const maxTags = 50

func (k *Kinesis) addTags(c *call) error {
	return k.alterActive(c, func(s *stream) error { return k.setTags(&s.streamState, c.in.get("Tags")) })
}

// setTags adds tags to state, all or none.
func (k *Kinesis) setTags(state *streamState, tags *value) error {
	merged := maps.Clone(state.Tags)
	for i, key := range tags.keys {
		if err := checkTag(string(key), string(tags.texts[i])); err != nil {
			return err
		}
		merged[string(key)] = string(tags.texts[i])
	}
	if len(merged) > maxTags {
		return invalidArgument("Failed to add tags to stream %s under account %s because a given stream cannot have more than %d tags associated with it.",
			state.Name, k.cfg.Account, maxTags)
	}
	state.Tags = merged
	return nil
}

func checkTag(texts ...string) error {
	for _, text := range texts {
		if strings.IndexFunc(text, notInTag) >= 0 {
			return invalidArgument("Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . : / = + - @.")
		}
	}
	return nil
}

func notInTag(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) && !strings.ContainsRune("_.:/=+-@", r)
}

func (k *Kinesis) removeTags(c *call) error {
	keys := c.in.get("TagKeys").texts
	return k.alterActive(c, func(s *stream) error {
		left := maps.Clone(s.Tags)
		for _, key := range keys {
			if err := checkTag(string(key)); err != nil {
				return err
			}
			delete(left, string(key))
		}
		s.Tags = left
		return nil
	})
}

func (k *Kinesis) listTags(c *call) error {
	return k.view(c, func(s *stream) error {
		type tag struct{ Key, Value string }
		d := struct {
			Tags        []tag
			HasMoreTags bool
		}{Tags: []tag{}}
		limit, after := c.in.or("Limit", maxTags), c.in.text("ExclusiveStartTagKey")
		for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
			if key <= after {
				continue
			}
			if d.HasMoreTags = len(d.Tags) == limit; d.HasMoreTags {
				break
			}
			d.Tags = append(d.Tags, tag{key, s.Tags[key]})
		}
		return c.reply(d)
	})
}

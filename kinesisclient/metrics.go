package kinesisclient

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// operation is a call of the service, with what each request for it needs ready made.
type operation struct {
	name   string
	target []string // value of the header X-Amz-Target
	calls  map[string]prometheus.Counter
}

// The outcomes that calls are counted by.
const (
	outcomeOK       = "ok"
	outcomeRefused  = "refused"  // the request's own fault
	outcomeThrottle = "throttle" // too much at once
	outcomeAccess   = "access"   // our credentials
	outcomeServer   = "server"   // the service failed
	outcomeLost     = "lost"     // connection, time
)

type metrics struct {
	retries map[string]prometheus.Counter
	records map[string]prometheus.Counter
}

// The reasons for which something is sent again, and the ends of a record in PutRecords.
const (
	retryThrottle   = outcomeThrottle
	retryServer     = outcomeServer
	retryConnection = "connection"
	retryRecords    = "records"

	recordStored = "stored"
	recordFailed = "failed"
)

// operations are the calls this room knows. Source: Kinesis API reference, version 2013-12-02.
var operationNames = [...]string{
	OpListStreams, OpDescribeStream, OpDescribeStreamSummary, OpCreateStream, OpDeleteStream, OpPutRecord, OpPutRecords,
	OpListShards, OpGetShardIterator, OpGetRecords,
}

// The names of the calls, as Call takes them.
const (
	OpListStreams           = "ListStreams"
	OpDescribeStream        = "DescribeStream"
	OpDescribeStreamSummary = "DescribeStreamSummary"
	OpCreateStream          = "CreateStream"
	OpDeleteStream          = "DeleteStream"
	OpPutRecord             = "PutRecord"
	OpPutRecords            = "PutRecords"
	OpListShards            = "ListShards"
	OpGetShardIterator      = "GetShardIterator"
	OpGetRecords            = "GetRecords"
)

// register makes the client's metrics and its table of operations.
func (c *Client) register(reg prometheus.Registerer) error {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headrace_kinesis_calls_total", Help: "Calls to Kinesis, each try counted, by operation and outcome.",
	}, []string{"operation", "outcome"})
	retries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headrace_kinesis_retries_total", Help: "Calls to Kinesis that were repeated, by reason; records: only failed entries.",
	}, []string{"reason"})
	records := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headrace_kinesis_put_records_total", Help: "Records of PutRecords by their end, after retries.",
	}, []string{"outcome"})
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "headrace_kinesis_in_flight_requests", Help: "Requests for Kinesis under way.",
	}, func() float64 { return float64(c.inFlight.Load()) })

	var faults []error
	for _, m := range []prometheus.Collector{calls, retries, records, inFlight} {
		faults = append(faults, reg.Register(m))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("registering the metrics of kinesis: %w", err)
	}
	c.operations = make(map[string]*operation)
	for _, name := range operationNames {
		op := &operation{name: name, target: []string{targetPrefix + name}, calls: make(map[string]prometheus.Counter)}
		for _, outcome := range []string{outcomeOK, outcomeRefused, outcomeThrottle, outcomeAccess, outcomeServer, outcomeLost} {
			op.calls[outcome] = calls.WithLabelValues(name, outcome)
		}
		c.operations[name] = op
	}
	c.metrics.retries = make(map[string]prometheus.Counter)
	for _, reason := range []string{retryThrottle, retryServer, retryConnection, retryRecords} {
		c.metrics.retries[reason] = retries.WithLabelValues(reason)
	}
	c.metrics.records = make(map[string]prometheus.Counter)
	for _, end := range []string{recordStored, recordFailed} {
		c.metrics.records[end] = records.WithLabelValues(end)
	}
	return nil
}

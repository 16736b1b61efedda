package main

import "math"

// ignorePlugins is the key that lets the server start although its file names Java plug-ins.
const ignorePlugins = "headrace.ignore.java.plugins"

// maxMillis is the longest time that fits Go's nanoseconds.
const maxMillis = math.MaxInt64 / 1_000_000

// ownKeys are keys that the reference does not know. They may stand in the same file, since it
// takes unknown keys for none.
func ownKeys() []property {
	return []property{
		honour("kinesis.enable", boolean, "true", "serve the Kinesis routes (/streams): true or false (404)"),
		honour("kinesis.region", text, "", "AWS region; empty: as the AWS default chain finds it"),
		honour("kinesis.endpoint", text, "", "base URL of another server than Amazon's, for example http://127.0.0.1:4567"),
		honour("kinesis.role.arn", text, "", "role to assume; empty: none"),
		honour("kinesis.profile", text, "", "profile of the shared AWS files; empty: as the AWS default chain finds it"),
		honour("kinesis.base.path", text, "", "path in front of /streams that is served too, for example /prod"),
		honour("kinesis.error.status", text, "semantic", "status of an upstream error: semantic, upstream (Kinesis's own number) or apigateway (always 200)").of("semantic", "upstream", "apigateway"),
		honour("kinesis.split.batches", boolean, "false", "send more than 500 records in several calls (true) or refuse them (false)"),
		honour("kinesis.retry.failed.records", integer, "3", "rounds in which the failed entries of a batch are sent again; 0: none").in(0, 100),
		honour("kinesis.ordered", boolean, "false", "stop at the first failure of a key: true or false"),
		honour("kinesis.timeout.ms", long, "29000", "milliseconds for one call with all its tries; more is a 504").in(1, maxMillis),
		honour("kinesis.max.attempts", integer, "3", "tries of one whole call").in(1, 100),
		honour("kinesis.max.in.flight.requests", integer, "512", "requests to Kinesis under way at once; more is a 429").in(1, math.MaxInt32),
		honour("kinesis.max.request.bytes", long, "10485760", "bytes of a body on the Kinesis routes; more is a 413").in(1, math.MaxInt64),

		honour("produce.error.status", text, "reference", "a request whose records all failed: reference (200, look inside) or strict (a status of its own)").of("reference", "strict"),
		honour("headrace.max.request.bytes", long, "33554432", "bytes of a request's body; more is a 413").in(1, math.MaxInt64),
		honour("headrace.memory.budget.bytes", long, "134217728", "bytes of all bodies under way; more is a 503").in(1, math.MaxInt64),
		honour("headrace.request.log", text, "reference", "a line for each answer on standard output: reference (the reference's form), json or off").of("reference", "json", "off"),
		honour("headrace.trusted.proxies", list, "", "addresses, or networks such as 10.0.0.0/8, whose Forwarded and X-Forwarded-* decide scheme, host and client address"),
		honour("gateway.max.duration", text, "28s", "a request that takes longer is a 504 with the cause: 28s, or 28000 for milliseconds; 0: none. Left out, only requests that Amazon API Gateway sends (it gives up after 29 s) are held to it"),
		honour("headrace.idempotency.window.ms", long, "600000", "milliseconds that the answer to a produce request with an Idempotency-Key is kept; 0: such keys count for nothing").in(0, maxMillis),
		honour("headrace.idempotency.max.bytes", long, "16777216", "bytes of all answers that are kept; the oldest go").in(65536, math.MaxInt64),
		honour("headrace.trace.headers", boolean, "false", "put traceparent and tracestate of a produce request into the headers of its records: true or false"),
		honour(ignorePlugins, boolean, "false", "start although Java plug-ins are named, without them: true or false"),
		honour("headrace.peers", list, "", "all replicas, http://host:port each, or one dns://name:port: calls of a consumer instance that is on another one are passed on to it"),
		honour("headrace.peers.secret", password, "", "16 characters or more, the same on all replicas: they sign what they pass on"),
		honour("headrace.peers.self", text, "", "which of headrace.peers this replica is; empty: the one with an address of this host and a port that is listened on"),
		honour("headrace.v2.read.full.wait", boolean, "false", "reads with fetch.min.bytes=-1 take their whole time, as in the reference: true; else they answer as soon as they have something"),
		honour("headrace.v2.on.undecodable", text, "error", "a record that is not in its instance's format: error (408, until a seek), base64 (its bytes as a string) or skip").of("error", "base64", "skip"),
		honour("headrace.v2.extensions", boolean, "false", "headers and timestamps in v2 records for everybody; else for those who ask with ;extensions=true behind the media type"),
		honour("headrace.v2.sse.heartbeat.ms", integer, "15000", "milliseconds of silence after which an event stream sends a sign of life").in(100, math.MaxInt32),
		honour("headrace.v2.base.url", text, "", "URL that base_uri of consumer instances begins with, for example https://api.example.com/prod; goes before host.name and advertised.listeners"),
		honour("headrace.v2.consumers.memory.bytes", long, "268435456", "bytes that consumer instances may fetch ahead, all together").in(262_144, math.MaxInt64),
	}
}

// Package sink is the batch job that fills a bucket: it reads topics as a member of a consumer
// group and writes their records as objects, as the Kafka Connect S3 sink connector does. Names,
// lines, file boundaries and the group's name are the connector's, so that a migration goes on
// where the connector stopped. It refuses, at start and by name, what it would do differently.
package sink

// Package store keeps objects under keys: in an S3 bucket, or in a directory that stands for one.
// An object is whole or absent, never half. The package knows no topics, offsets or formats.
package store

package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/kafkaclient"
)

// TestKafkaErrors: each failure of Kafka has the reference's status, code and text (contract: kafka-rest-v2.md §1.4).
func TestKafkaErrors(t *testing.T) {
	for _, tt := range []struct {
		err          error
		status, code int
		message      string
	}{
		{kerr.SaslAuthenticationFailed, 401, 40101, "SASL Authentication failed."},
		{kerr.TopicAuthorizationFailed, 403, 40301, "Topic authorization failed."},
		{kerr.GroupAuthorizationFailed, 403, 40301, "Group authorization failed."},
		{kerr.ClusterAuthorizationFailed, 403, 40301, "Cluster authorization failed."},
		{kerr.BrokerNotAvailable, 503, 50302, "The broker is not available."},
		{kerr.UnknownTopicOrPartition, 404, 40403, "This server does not host this topic-partition."},
		{kerr.UnknownTopicID, 404, 40403, "This server does not host this topic-partition."},
		{kerr.InvalidReplicationFactor, 400, 40002, kerr.InvalidReplicationFactor.Description},
		{kerr.PolicyViolation, 400, 40002, "Request parameters do not satisfy the configured policy."},
		{kerr.UnknownServerError, 400, 40002, "The server experienced an unexpected error when processing the request."},
		{kerr.InvalidTopicException, 400, 40002, "The request attempted to perform an operation on an invalid topic."},
		{&kafkaclient.InvalidTopicError{Topic: "a b"}, 400, 40002, "The request attempted to perform an operation on an invalid topic."},
		{kerr.MessageTooLarge, 413, 413, "The request included a message larger than the max message size the server will accept."},
		{kerr.ThrottlingQuotaExceeded, 429, 42901, "The throttling quota has been exceeded."},
		{kerr.RequestTimedOut, 500, 50003, "The request timed out."},
		{kerr.LeaderNotAvailable, 500, 50003, "There is no leader for this topic-partition as we are in the middle of a leadership election."},
		{kerr.CoordinatorNotAvailable, 500, 50003, "The coordinator is not available."},
		{context.DeadlineExceeded, 500, 50003, "No broker answered in time: context deadline exceeded"},
		{kafkaclient.ErrTimeout, 500, 50003, "No broker answered in time: " + kafkaclient.ErrTimeout.Error()},
		{kerr.InvalidRecord, 500, 50002, "This record has failed the validation on the broker and hence been rejected."},
		{errors.New("a bug"), 500, 500, "Internal Server Error"},
	} {
		api := toAPIError(fmt.Errorf("asking: %w", tt.err))
		if api.status == 500 && api.code == 50003 && strings.HasPrefix(api.message, "No broker") {
			api.message = strings.Replace(api.message, "asking: ", "", 1)
		}
		if api.status != tt.status || api.code != tt.code || api.message != tt.message {
			t.Errorf("%v: %d, %d %s, want %d, %d %s", tt.err, api.status, api.code, api.message, tt.status, tt.code, tt.message)
		}
	}
}

// TestRefusedRights: a missing right is a 403 with the list of a produce, and with the usual body elsewhere.
func TestRefusedRights(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t", "secret"))
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if asked := req.(*kmsg.MetadataRequest).Topics; len(asked) != 1 || asked[0].Topic == nil || *asked[0].Topic != "secret" {
			return nil, nil, false
		}
		return refusedTopic(t, cluster, req), nil, true
	})
	for path, want := range map[string]string{
		"/topics/secret":                      "Topic authorization failed.",
		"/topics/secret/partitions":           "Topic authorization failed.",
		"/topics/secret/partitions/0":         "Topic authorization failed.",
		"/topics/secret/partitions/0/offsets": "Topic authorization failed.",
	} {
		resp, body := exchange(t, http.MethodGet, srv.URL+path, "")
		if resp != http.StatusForbidden || body != `{"error_code":40301,"message":"`+want+`"}` {
			t.Errorf("GET %s: %d %s, want 403 %s", path, resp, body, want)
		}
	}
}

// TestProduceStatuses: refused logins and rights change the status of a produce, other failures do not
// (contract: kafka-rest-v2.md §3.4, §3.5).
func TestProduceStatuses(t *testing.T) {
	for _, tt := range []struct {
		err    *kerr.Error
		status int
		code   int
		text   string
	}{
		{kerr.TopicAuthorizationFailed, 403, 40301, "Not authorized to access topics: [t]"},
		{kerr.ClusterAuthorizationFailed, 403, 40301, "Cluster authorization failed."},
		{kerr.SaslAuthenticationFailed, 401, 40101, "SASL Authentication failed. The broker wants a login and none is configured: set security.protocol, sasl.mechanism and sasl.jaas.config."},
		{kerr.MessageTooLarge, 200, 50002, "The request included a message larger than the max message size the server will accept."},
		{kerr.InvalidRecord, 200, 50002, "This record has failed the validation on the broker and hence been rejected."},
		{kerr.PolicyViolation, 200, 50002, "Request parameters do not satisfy the configured policy."},
	} {
		t.Run(tt.err.Message, func(t *testing.T) {
			srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t"))
			cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				return refusedProduce(req, tt.err.Code), nil, true
			})
			status, body := exchange(t, http.MethodPost, srv.URL+"/topics/t", `{"records":[{"value":1}]}`)
			want := `{"offsets":[{"partition":null,"offset":null,"error_code":` + strconv.Itoa(tt.code) + `,"error":"` + tt.text + `"}],"key_schema_id":null,"value_schema_id":null}`
			if status != tt.status || body != want {
				t.Errorf("%d %s, want %d %s", status, body, tt.status, want)
			}
		})
	}
}

func exchange(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", embeddedJSON)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// refusedTopic is the brokers' answer to who may not see the topic.
func refusedTopic(t *testing.T, cluster *kfake.Cluster, req kmsg.Request) kmsg.Response {
	host, text, err := net.SplitHostPort(cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 0, Host: host, Port: int32(port)}}
	for _, asked := range req.(*kmsg.MetadataRequest).Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.ErrorCode = asked.Topic, kerr.TopicAuthorizationFailed.Code
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// refusedProduce answers every partition of a produce with an error.
func refusedProduce(req kmsg.Request, code int16) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, asked := range req.(*kmsg.ProduceRequest).Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		for _, p := range asked.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, code
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

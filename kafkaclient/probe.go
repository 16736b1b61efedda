package kafkaclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNoKafka says that what answers on a port speaks something else: HTTP, SSH and so on.
var ErrNoKafka = errors.New("what answers is no Kafka broker")

// Dial opens one connection to address as the clients of this configuration do, TLS included, and
// logs nobody in. The caller closes it. Errors are *ConnectError and *KeyError.
func (c Config) Dial(ctx context.Context, address string, log *slog.Logger) (net.Conn, error) {
	d, err := c.shared(log).Logins.dialer(c)
	if err != nil {
		return nil, err
	}
	return d.dial(ctx, "tcp", address)
}

// maxVersionsBytes bounds the answer to one question: real ones have less than 2 KiB.
const maxVersionsBytes = 64 << 10

// AskVersions asks a broker over an open connection which calls it has, which needs no login, and
// returns how many. A port that is no Kafka's gives ErrNoKafka; the end of the connection is io.EOF.
func AskVersions(ctx context.Context, conn net.Conn, clientID string) (calls int, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, fmt.Errorf("asking for API versions: %w", err)
	}
	const correlation = 1
	req := kmsg.NewApiVersionsRequest() // version 0: every broker answers it
	body := binary.BigEndian.AppendUint16(nil, uint16(req.Key()))
	body = binary.BigEndian.AppendUint16(body, 0)
	body = binary.BigEndian.AppendUint32(body, correlation)
	body = binary.BigEndian.AppendUint16(body, uint16(len(clientID)))
	body = req.AppendTo(append(body, clientID...))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return 0, fmt.Errorf("asking for API versions: %w", err)
	}
	head := make([]byte, 8) // length, correlation id
	if n, err := io.ReadFull(conn, head); err != nil {
		return 0, errors.Join(noKafka(head[:n]), fmt.Errorf("asking for API versions: %w", err))
	}
	length := binary.BigEndian.Uint32(head)
	if err := noKafka(head); err != nil || length < 4 || length > maxVersionsBytes || binary.BigEndian.Uint32(head[4:]) != correlation {
		return 0, errors.Join(ErrNoKafka, err)
	}
	answer := make([]byte, length-4)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return 0, fmt.Errorf("asking for API versions: %w", err)
	}
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	if err := resp.ReadFrom(answer); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNoKafka, err)
	}
	return len(resp.ApiKeys), kerr.ErrorForCode(resp.ErrorCode)
}

// noKafka tells other protocols by their first bytes: an answer of Kafka's begins with a length,
// and is never over 16 MiB here.
func noKafka(head []byte) error {
	if len(head) > 0 && head[0] != 0 {
		return ErrNoKafka
	}
	return nil
}

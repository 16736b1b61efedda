package peers

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of a request that a peer passes on.
const (
	headerSignature = "X-Headrace-Peer"      // time, once-only number and HMAC-SHA256
	headerBase      = "X-Headrace-Peer-Base" // what URLs in the answer begin with
)

// ErrSignature says that a request claims to come from a peer and does not prove it.
var ErrSignature = errors.New("the request claims to come from a peer, and its signature does not hold: headrace.peers.secret has to be the same on all, and their clocks alike")

// maxSkew is how far the clocks of peers may be apart; a signature is good once within it.
const maxSkew = time.Minute

func (p *Peers) sign(r *http.Request, base string, body []byte, now time.Time) {
	at := strconv.FormatInt(now.Unix(), 10)
	nonce := rand.Text()
	r.Header.Set(headerBase, base)
	r.Header.Set(headerSignature, at+":"+nonce+":"+p.mac(r, at, nonce, base, body))
}

// mac covers all that counts of a request: the secret itself never travels.
func (p *Peers) mac(r *http.Request, at, nonce, base string, body []byte) string {
	sum := sha256.Sum256(body)
	m := hmac.New(sha256.New, []byte(p.cfg.Secret))
	for _, part := range []string{
		at, nonce, r.Method, r.URL.RequestURI(), base, hex.EncodeToString(sum[:]),
		r.Header.Get("Accept"), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("Last-Event-Id"),
	} {
		_, _ = m.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // never fails
	}
	return hex.EncodeToString(m.Sum(nil))
}

// Claims reports whether a request says that a peer passed it on.
func Claims(r *http.Request) bool { return r.Header[headerSignature] != nil }

// Check proves that a peer passed r on with this body, and returns what URLs in the answer begin
// with. Else it is ErrSignature, also when the same signature comes twice.
func (p *Peers) Check(r *http.Request, body []byte) (base string, err error) {
	parts := strings.Split(r.Header.Get(headerSignature), ":")
	if len(parts) != 3 {
		return "", ErrSignature
	}
	base = r.Header.Get(headerBase)
	if !hmac.Equal([]byte(parts[2]), []byte(p.mac(r, parts[0], parts[1], base, body))) {
		return "", ErrSignature
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	now := time.Now()
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > maxSkew || !p.first(parts[1], now) {
		return "", ErrSignature
	}
	return base, nil
}

// first reports whether a once-only number comes for the first time.
func (p *Peers) first(nonce string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, seen := p.seen[nonce]; seen {
		return false
	}
	p.seen[nonce] = now
	if now.Sub(p.swept) > maxSkew {
		for old, at := range p.seen {
			if now.Sub(at) > 2*maxSkew {
				delete(p.seen, old)
			}
		}
		p.swept = now
	}
	return true
}

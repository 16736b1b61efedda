package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"headrace/kafkaclient"
	"headrace/peers"
	"headrace/rawjson"
)

// headerMissing marks a peer's answer that an instance is not there.
const headerMissing = "X-Headrace-Missing"

// peerBase is the key of a context: the base URL that a peer's client used.
type peerBase struct{}

// passOn answers a call on another replica if that is where its instance is. done says that it has
// been answered; else the call is this replica's, as the returned request.
func (c *Consumers) passOn(w http.ResponseWriter, r *http.Request) (own *http.Request, done bool, err error) {
	if c.peers == nil {
		return r, false, nil
	}
	b, err := readBody(r, c.budget, c.maxBody)
	if err != nil {
		return r, false, err
	}
	text := bytes.Clone(b.bytes)
	b.release()
	own = r.Clone(r.Context())
	own.Body, own.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	if peers.Claims(r) {
		base, err := c.peers.Check(r, text)
		if err != nil {
			return own, false, &apiError{http.StatusForbidden, http.StatusForbidden, err.Error()}
		}
		return own.WithContext(context.WithValue(r.Context(), peerBase{}, base)), false, nil
	}
	name := pathParam(r, "instance")
	if name == "" {
		done, err = c.createElsewhere(w, r, text)
		return own, done, err
	}
	plain, tag := c.peers.Split(name)
	switch {
	case tag == c.peers.Self(), tag == "" && c.instances.Has(pathParam(r, "group"), plain):
		return own, false, nil
	case tag != "":
		return own, true, c.relay(w, r, tag, text)
	}
	done, err = c.search(w, r, text)
	return own, done, err
}

// createElsewhere makes an instance with a chosen name where all replicas look for it first.
func (c *Consumers) createElsewhere(w http.ResponseWriter, r *http.Request, text []byte) (done bool, err error) {
	var asked instanceRequest
	if utf8, err := rawjson.UTF8(bytes.Clone(text)); err != nil || asked.read(rawjson.NewScanner(utf8)) != nil || asked.instance() == "" {
		return false, nil //nolint:nilerr // what is wrong with it is said here; and a new name is this replica's
	}
	name, _ := c.peers.Split(asked.instance())
	for _, tag := range c.peers.Order(pathParam(r, "group") + "/" + name) {
		if tag == c.peers.Self() {
			return false, nil
		}
		err := c.relay(w, r, tag, text)
		var down *peers.DownError
		if !errors.As(err, &down) {
			return true, err
		}
	}
	return false, nil
}

// search asks all replicas for an instance whose name bears no tag.
func (c *Consumers) search(w http.ResponseWriter, r *http.Request, text []byte) (done bool, err error) {
	plain, _ := c.peers.Split(pathParam(r, "instance"))
	for _, tag := range c.peers.Order(pathParam(r, "group") + "/" + plain) {
		if tag == c.peers.Self() {
			continue
		}
		resp, err := c.peers.Do(r, tag, c.base(r), text)
		if err != nil {
			continue // another may have it
		}
		if resp.Header.Get(headerMissing) == "" {
			return true, copyAnswer(w, resp)
		}
		_ = resp.Body.Close()
	}
	return false, nil
}

// relay answers with what a replica answers. The error is a *peers.DownError when that cannot.
func (c *Consumers) relay(w http.ResponseWriter, r *http.Request, tag string, text []byte) error {
	resp, err := c.peers.Do(r, tag, c.base(r), text) //nolint:bodyclose // copyAnswer closes it
	if err != nil {
		return err
	}
	return copyAnswer(w, resp)
}

// copyAnswer passes on a replica's answer as it comes.
func copyAnswer(w http.ResponseWriter, resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }()
	header := w.Header()
	for _, name := range []string{"Content-Type", "Content-Length", "Retry-After", "Cache-Control", "X-Accel-Buffering", "Allow"} {
		header[name] = resp.Header[name] // nil: none
	}
	w.WriteHeader(resp.StatusCode)
	control := http.NewResponseController(w)
	part := borrowBuffer(32 << 10)
	defer returnBuffer(part)
	for {
		n, err := resp.Body.Read(part)
		if n > 0 {
			if _, err := w.Write(part[:n]); err != nil {
				panic(http.ErrAbortHandler) // the owner then delivers the records again
			}
			_ = control.Flush() // not every writer can
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the answer is not whole, and must not look so
		}
	}
}

// taken reports whether another replica has an instance of that name.
func (c *Consumers) taken(r *http.Request, group, name string) bool {
	if c.peers == nil {
		return false
	}
	ask := r.Clone(r.Context())
	ask.Method = http.MethodGet
	ask.URL.Path, ask.URL.RawPath, ask.URL.RawQuery = "/consumers/"+group+"/instances/"+name+"/assignments", "", ""
	ask.Header = http.Header{"Authorization": r.Header["Authorization"]}
	for _, tag := range c.peers.Order(group + "/" + name) {
		if tag == c.peers.Self() {
			continue
		}
		resp, err := c.peers.Do(ask, tag, "", nil)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return true
		}
	}
	return false
}

// instanceName is the instance of the path as this replica keeps it.
func (c *Consumers) instanceName(r *http.Request) string {
	name := pathParam(r, "instance")
	if c.peers != nil {
		name, _ = c.peers.Split(name)
	}
	return name
}

// shownName is an instance's name as clients use it: with replicas it bears the owner's tag.
func (c *Consumers) shownName(name string) string {
	if c.peers != nil {
		return c.peers.Mark(name)
	}
	return name
}

// missing marks the answer to a peer.
func (c *Consumers) missing(w http.ResponseWriter, r *http.Request, err error) {
	if c.peers != nil && peers.Claims(r) && errors.Is(err, kafkaclient.ErrNoInstance) {
		w.Header().Set(headerMissing, "1")
	}
}

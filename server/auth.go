package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"headrace/keystore"
	"headrace/properties"
)

// maxUsersBytes bounds a password file.
const maxUsersBytes = 4 << 20

// user is one entry of a password file.
type user struct {
	credential credential
	roles      []string
	// believed is the hash of the password that was right last: the slow forms are worked out once.
	believed atomic.Pointer[[sha256.Size]byte]
}

// users are the entries of a password file, by name.
type users map[string]*user

// readUsers reads a password file: a property file with NAME: PASSWORD[,ROLE…]. Errors quote no password.
// Source: Jetty's PropertyUserStore.
func readUsers(path string) (users, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the password file: %w", err)
	}
	if info.Size() > maxUsersBytes {
		return nil, fmt.Errorf("reading the password file: %s is larger than %d bytes", path, maxUsersBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the password file: %w", err)
	}
	file, err := properties.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the password file %s: %w", path, withoutText(err))
	}
	all := users{}
	for _, e := range file.Entries {
		password, roles, _ := strings.Cut(strings.TrimSpace(e.Value), ",")
		c, err := parseCredential(strings.TrimSpace(password))
		if err != nil {
			return nil, fmt.Errorf("reading the password file %s: line %d: %w", path, e.Line, err)
		}
		u := &user{credential: c}
		for role := range strings.SplitSeq(roles, ",") {
			if role = strings.TrimSpace(role); role != "" {
				u.roles = append(u.roles, role)
			}
		}
		all[strings.TrimSpace(e.Key)] = u
	}
	return all, nil
}

// Check reads the password file and says what is wrong with it.
func (a Auth) Check() error {
	_, err := readUsers(a.Users)
	return err
}

// withoutText keeps the line of a syntax error: its words may quote a key, which here is a name.
func withoutText(err error) error {
	var syntax *properties.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf(`line %d: malformed \u escape: four hexadecimal digits must follow \u`, syntax.Line)
	}
	return errors.New("it is no property file")
}

// guard checks logins.
type guard struct {
	cfg   Auth
	users *keystore.Reloader[users]
	any   bool // authentication.roles=**: any user
	some  bool // =*: any user with a role
}

// newGuard reads the password file for the first time. changed is called after each later reading.
func newGuard(cfg Auth, changed func(error)) (*guard, error) {
	g := &guard{cfg: cfg}
	if len(cfg.Roles) == 1 {
		g.any, g.some = cfg.Roles[0] == "**", cfg.Roles[0] == "*"
	}
	var err error
	g.users, err = keystore.NewReloader([]string{cfg.Users}, func() (users, error) { return readUsers(cfg.Users) }, changed)
	return g, err
}

func (g *guard) run(ctx context.Context) { g.users.Run(ctx) }

// check returns the user of a request; or the status that refuses it, 401 or 403.
func (g *guard) check(r *http.Request) (name string, status int) {
	if len(g.cfg.Roles) == 0 {
		return "", http.StatusForbidden // nobody may
	}
	name, u := g.login(r)
	switch {
	case u == nil:
		return "", http.StatusUnauthorized
	case g.any, g.some && len(u.roles) > 0:
		return name, 0
	case !g.some && slices.ContainsFunc(u.roles, func(role string) bool { return slices.Contains(g.cfg.Roles, role) }):
		return name, 0
	}
	return name, http.StatusForbidden
}

// login returns who the Authorization header proves to have sent the request.
func (g *guard) login(r *http.Request) (string, *user) {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", nil
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", nil
	}
	name, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return "", nil
	}
	u := g.users.Get()[name]
	if u == nil {
		nobody.matches(password) // takes the time that a wrong password takes
		return "", nil
	}
	if !u.accepts(password) {
		return "", nil
	}
	return name, u
}

// accepts reports whether the password is the user's.
func (u *user) accepts(password string) bool {
	hash := sha256.Sum256([]byte(password))
	if believed := u.believed.Load(); believed != nil && equal(believed[:], hash[:]) {
		return true
	}
	if !u.credential.matches(password) {
		return false
	}
	u.believed.Store(&hash)
	return true
}

// skips reports whether a path is open to all: authentication.skip.paths, by the rules of servlets.
func (g *guard) skips(path string) bool {
	for _, pattern := range g.cfg.SkipPaths {
		switch prefix, below := strings.CutSuffix(pattern, "/*"); {
		case below:
			if path == prefix || strings.HasPrefix(path, prefix+"/") {
				return true
			}
		case strings.HasPrefix(pattern, "*."):
			if strings.HasSuffix(path, pattern[1:]) {
				return true
			}
		case path == pattern:
			return true
		}
	}
	return false
}

// challenge refuses a request for its login.
func (g *guard) challenge(w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(g.cfg.Realm)+`"`)
	}
	refuse(w, r, status, "")
}

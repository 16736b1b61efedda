package main

import (
	"errors"
	"fmt"
	"slices"

	"headrace/jaas"
	"headrace/kafkaclient"
)

// login reads how the clients below prefix ("producer.") log in, and reads their key stores once, so that a wrong one is
// told with all other faults.
func (s *settings) login(prefix string) kafkaclient.Login {
	login, warnings, err := kafkaclient.LoginFromKeys(func(name string) (string, bool) {
		v, key := s.client(prefix, name)
		if key == "" && name == "sasl.jaas.config" {
			return s.jaasFile()
		}
		return v.text, key != ""
	})
	for _, warning := range warnings {
		s.once(func() { s.warn("a login setting has no effect", "why", warning) }, warning)
	}
	if err == nil && login.TLS != nil {
		err = login.TLS.Load()
	}
	for _, err := range splitErrors(err) {
		s.loginFault(prefix, err)
	}
	if err == nil && login.SASL == nil {
		s.idleLogin(prefix)
	}
	return login
}

// jaasSection is the one that Kafka's clients look for in the JVM's JAAS file.
const jaasSection = "KafkaClient"

// jaasFile is the login of the JVM's JAAS file, which counts where sasl.jaas.config is not given. The file may be there
// for the server's own logins alone.
func (s *settings) jaasFile() (line string, given bool) {
	file, ok := s.java["java.security.auth.login.config"]
	if !ok {
		return "", false
	}
	text, err := readBounded(file.raw)
	if err != nil {
		s.once(func() { s.fault("%s: reading the JAAS file: %v", file.origin, err) }, "jaas file")
		return "", false
	}
	sections, err := jaas.ParseFile(string(text))
	if err != nil {
		s.once(func() { s.fault("%s: reading the JAAS file %s: %v", file.origin, file.raw, err) }, "jaas file")
		return "", false
	}
	entries := sections[jaasSection]
	if len(entries) != 1 {
		return "", false
	}
	return entries[0].Line(), true
}

// loginFault names the key as it was given, or, where it was not, the key that makes it needed.
func (s *settings) loginFault(prefix string, err error) {
	var key *kafkaclient.KeyError
	if !errors.As(err, &key) {
		s.fault("reading the login: %v", err)
		return
	}
	_, name := s.client(prefix, key.Key)
	at := s.at(name)
	if name == "" {
		_, cause := s.client(prefix, "security.protocol")
		name, at = fmt.Sprintf("%s needs %s", cause, "client."+key.Key), s.at(cause)
	}
	text := fmt.Sprintf("%s: %s: %s", at, name, key.Msg)
	s.once(func() { s.fault("%s", text) }, text)
}

// idleLogin warns of settings that nothing reads since security.protocol does not ask for a login.
func (s *settings) idleLogin(prefix string) {
	for _, name := range []string{"sasl.mechanism", "sasl.jaas.config"} {
		v, key := s.client(prefix, name)
		if key == "" || v.text == "" || v.text == "GSSAPI" {
			continue
		}
		protocol, _ := s.client(prefix, "security.protocol")
		s.once(func() {
			s.warn("login settings are not used", "key", key, "origin", s.at(key), "why", "security.protocol is "+protocol.text,
				"would_work", "SASL_SSL, or SASL_PLAINTEXT")
		}, "idle "+key)
	}
}

// once runs say, unless what was said before: three clients read the same keys.
func (s *settings) once(say func(), what string) {
	if slices.Contains(s.said, what) {
		return
	}
	s.said = append(s.said, what)
	say()
}

// share lets all clients of the configuration log in together: one AssumeRole, not three.
func (c *config) share(logins *kafkaclient.Logins) {
	c.producer.Logins, c.admin.Logins, c.consumer.Logins = logins, logins, logins
}

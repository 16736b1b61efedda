package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"headrace/jaas"
)

// config tells what start would refuse or warn of, and the traps that most newcomers walk into.
func (d *doctor) config(context.Context) []Result {
	var results []Result
	for _, trap := range []func() []Result{d.brokenJAAS, d.withoutPrefix, d.wrongPort, d.wrongARN} {
		results = append(results, trap()...)
	}
	named := func(text string) bool {
		return slices.ContainsFunc(results, func(r Result) bool {
			return slices.ContainsFunc(r.keys, func(key string) bool { return strings.Contains(text, key) })
		})
	}
	for _, fault := range d.cfg.Faults {
		if !named(fault) {
			results = append(results, failed(nextOf(fault), "%s", fault)...)
		}
	}
	for _, w := range d.cfg.Warnings {
		if !named(w) {
			results = append(results, warning("", "%s", w))
		}
	}
	if len(results) == 0 {
		return ok("%s given, nothing is odd about them", count(len(d.cfg.Given), "key"))
	}
	return results
}

// nextOf is what would work, where a fault says so behind its last colon.
func nextOf(fault string) string {
	if i := strings.LastIndex(fault, ": "); i >= 0 {
		return fault[i+2:]
	}
	return ""
}

// jaasKey are the keys that hold a login module.
var jaasKey = regexp.MustCompile(`(^|\.)sasl\.jaas\.config$`)

// brokenJAAS finds a login line that was cut at its line's end, or lacks its semicolon.
func (d *doctor) brokenJAAS() []Result {
	var results []Result
	for i, s := range d.cfg.Given {
		if !jaasKey.MatchString(s.Key) {
			continue
		}
		_, err := jaas.Parse(s.Value)
		if err == nil {
			continue
		}
		value := strings.TrimSpace(s.Value)
		var found Result
		rest := d.spilled(i)
		_, whole := jaas.Parse(value + ";")
		switch {
		case len(rest) > 0:
			found = failed("write it on one line, or end each of its lines but the last in a backslash",
				"%s (%s) is broken over two lines: what follows was read as keys of their own, %s (%s)", s.Key, s.Origin, list(keysOf(rest)), rest[0].Origin)[0]
		case !strings.HasSuffix(value, ";") && whole == nil:
			found = failed("end the value in a semicolon: "+s.Key+"=… required …;", "%s (%s) lacks the ; at its end", s.Key, s.Origin)[0]
		default:
			found = failed(s.Key+`=CLASS required key="value";`, "%s (%s) cannot be read: %s", s.Key, s.Origin, syntaxOf(err))[0]
		}
		found.keys = append(keysOf(rest), s.Key, "sasl.jaas.config")
		results = append(results, found)
	}
	return results
}

func syntaxOf(err error) string {
	var syntax *jaas.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Msg
	}
	return err.Error()
}

// jaasOptions begin lines that belong to a login module.
var jaasOptions = []string{
	"username", "password", "tokenauth", "clientId", "clientSecret", "scope", "required", "requisite", "sufficient", "optional",
	"useKeyTab", "storeKey", "keyTab", "principal", "useTicketCache", "serviceName",
	"org.apache.kafka.common.security", "software.amazon.msk.auth.iam", "com.sun.security.auth.module",
}

// spilled are the lines behind line i that were meant to be part of it.
func (d *doctor) spilled(i int) []Setting {
	rest := d.cfg.Given[i+1:]
	end := 0
	for end < len(rest) && belongsToJAAS(rest[end]) {
		end++
	}
	return rest[:end]
}

func belongsToJAAS(s Setting) bool {
	return !s.Known && (strings.HasPrefix(s.Key, "aws") || strings.HasPrefix(s.Key, "extension_") ||
		slices.ContainsFunc(jaasOptions, func(option string) bool { return s.Key == option || strings.HasPrefix(s.Key, option+".") }))
}

func keysOf(all []Setting) []string {
	var keys []string
	for _, s := range all {
		keys = append(keys, s.Key)
	}
	return keys
}

// withoutPrefix finds security settings that reach no client.
func (d *doctor) withoutPrefix() []Result {
	var bare []Setting
	for _, s := range d.cfg.Given {
		if s.Key == "security.protocol" || strings.HasPrefix(s.Key, "sasl.") {
			bare = append(bare, s)
		}
	}
	if len(bare) == 0 {
		return nil
	}
	var next []string
	for _, s := range bare {
		line := "client." + s.Key
		if s.Key == "security.protocol" || s.Key == "sasl.mechanism" {
			line += "=" + s.Value
		}
		next = append(next, line)
	}
	verb := "has"
	if len(bare) > 1 {
		verb = "have"
	}
	found := warning("write "+list(next)+" in their place",
		"%s (%s) %s no prefix and so no effect: only client., producer., consumer. and admin. reach Kafka", list(keysOf(bare)), bare[0].Origin, verb)
	if !d.given("client.security.protocol") {
		found.Status = Failed
	}
	for _, s := range bare {
		found.keys = append(found.keys, "key "+s.Key)
	}
	return []Result{found}
}

func (d *doctor) given(key string) bool {
	return slices.ContainsFunc(d.cfg.Given, func(s Setting) bool { return s.Key == key })
}

// last is the value that counts: of the admin client's own key, else of that of all clients.
func (d *doctor) last(key string) string {
	value := ""
	for _, name := range []string{key, "admin." + strings.TrimPrefix(key, "client.")} {
		for _, s := range d.cfg.Given {
			if s.Key == name {
				value = strings.TrimSpace(s.Value)
			}
		}
	}
	return value
}

// mskHost is a broker of Amazon's. Source: MSK developer guide, "Get the bootstrap brokers".
var mskHost = regexp.MustCompile(`\.kafka(-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)

// mskPorts says what MSK serves where. Source: MSK developer guide, "Port information".
var mskPorts = map[string]struct{ protocol, mechanism string }{
	"9092": {"PLAINTEXT", ""}, "9094": {"SSL", ""}, "9096": {"SASL_SSL", "SCRAM-SHA-512"}, "9098": {"SASL_SSL", "AWS_MSK_IAM"},
	"9194": {"SSL", ""}, "9196": {"SASL_SSL", "SCRAM-SHA-512"}, "9198": {"SASL_SSL", "AWS_MSK_IAM"},
}

// wrongPort holds the ports of MSK brokers to the login of the file.
func (d *doctor) wrongPort() []Result {
	protocol, mechanism := strings.ToUpper(d.last("client.security.protocol")), ""
	if protocol == "" && d.given("security.protocol") {
		return nil // which is named already
	}
	if protocol == "" {
		protocol = "PLAINTEXT"
	}
	if strings.HasPrefix(protocol, "SASL") {
		mechanism = d.last("client.sasl.mechanism")
		if strings.Contains(d.last("client.sasl.jaas.config")+d.last("client.sasl.login.callback.handler.class"), "software.amazon.msk") {
			mechanism = "AWS_MSK_IAM"
		}
	}
	for _, broker := range d.cfg.Kafka.Brokers {
		host, port, err := net.SplitHostPort(broker)
		if err != nil || !mskHost.MatchString(host) {
			continue
		}
		serves, known := mskPorts[port]
		if !known {
			return failed("bootstrap.servers with port "+portFor(protocol, mechanism), "bootstrap.servers names port %s of %s, which MSK does not serve: 9092, 9094, 9096 and 9098 inside the VPC, 9194, 9196 and 9198 from outside", port, host)
		}
		if serves.protocol == protocol && serves.mechanism == mechanism {
			continue
		}
		return failed(loginFor(serves.protocol, serves.mechanism)+"   # or bootstrap.servers with port "+portFor(protocol, mechanism),
			"bootstrap.servers names port %s of MSK, which is for %s, but the file logs in by %s", port, inWords(serves.protocol, serves.mechanism), inWords(protocol, mechanism))
	}
	return nil
}

func inWords(protocol, mechanism string) string {
	return strings.TrimSpace(protocol + " " + mechanism)
}

func loginFor(protocol, mechanism string) string {
	text := "client.security.protocol=" + protocol
	if mechanism != "" {
		text += " and client.sasl.mechanism=" + mechanism
	}
	return text
}

// portFor is the port inside the VPC for a login.
func portFor(protocol, mechanism string) string {
	for _, port := range []string{"9092", "9094", "9096", "9098"} {
		if serves := mskPorts[port]; serves.protocol == protocol && (mechanism == serves.mechanism || strings.HasPrefix(mechanism, "SCRAM") && port == "9096") {
			return port
		}
	}
	return "9098 and client.sasl.mechanism=AWS_MSK_IAM"
}

// roleARN is a role of IAM, with its path.
var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/.+`)

// wrongARN finds what was pasted in the place of a role.
func (d *doctor) wrongARN() []Result {
	var results []Result
	for key, arn := range d.roles() {
		if roleARN.MatchString(arn) {
			continue
		}
		kind, next := arnKind(arn)
		found := failed(key+"="+next, "%s is %s: %s is not the ARN of a role", key, kind, arn)[0]
		found.keys = []string{key}
		results = append(results, found)
	}
	slices.SortFunc(results, func(a, b Result) int { return strings.Compare(a.Cause, b.Cause) })
	return results
}

// roles are the roles that the configuration asks to assume, by the name of the setting.
func (d *doctor) roles() map[string]string {
	roles := map[string]string{}
	for _, s := range d.cfg.Given {
		if login, err := jaas.Parse(s.Value); jaasKey.MatchString(s.Key) && err == nil && login.Options["awsRoleArn"] != "" {
			roles["awsRoleArn"] = login.Options["awsRoleArn"]
		}
	}
	if d.cfg.Kinesis != nil && d.cfg.Kinesis.RoleARN != "" {
		roles["kinesis.role.arn"] = d.cfg.Kinesis.RoleARN
	}
	return roles
}

var (
	assumedRole = regexp.MustCompile(`^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)`)
	otherARN    = regexp.MustCompile(`^arn:(aws[a-z-]*):([a-z0-9-]+):[a-z0-9-]*:(\d{12})?:([a-z-]+)?`)
)

// arnKind says what an ARN is of, and what belongs in its place.
func arnKind(arn string) (kind, next string) {
	if m := assumedRole.FindStringSubmatch(arn); m != nil {
		return "a session of a role", fmt.Sprintf("arn:%s:iam::%s:role/%s", m[1], m[2], m[3])
	}
	const next2 = "arn:aws:iam::123456789012:role/NAME"
	m := otherARN.FindStringSubmatch(arn)
	switch {
	case m == nil:
		return "no ARN at all", next2
	case m[4] == "instance-profile":
		return "an instance profile, which holds a role, perhaps of another name", "the role of aws iam get-instance-profile --instance-profile-name " + arn[strings.LastIndexByte(arn, '/')+1:]
	case m[4] == "":
		return "a thing of " + m[2], next2
	}
	return "a " + m[4], next2
}

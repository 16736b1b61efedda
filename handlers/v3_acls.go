package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"headrace/kafkaclient"
	"headrace/rawjson"
)

// v3ACL is a KafkaAcl.
type v3ACL struct {
	head
	ClusterID    string `json:"cluster_id"`
	ResourceType string `json:"resource_type"`
	ResourceName string `json:"resource_name"`
	PatternType  string `json:"pattern_type"`
	Principal    string `json:"principal"`
	Host         string `json:"host"`
	Operation    string `json:"operation"`
	Permission   string `json:"permission"`
}

// The words of ACLs that the API knows. Kafka's own others read UNKNOWN.
var (
	aclResources   = []string{"UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN"}
	aclPatterns    = []string{"UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"}
	aclOperations  = []string{"UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE"}
	aclPermissions = []string{"UNKNOWN", "ANY", "DENY", "ALLOW"}
)

func known(word string, words []string) string {
	if slices.Contains(words, word) {
		return word
	}
	return "UNKNOWN"
}

func (n names) acl(cluster string, acl kafkaclient.ACL) v3ACL {
	body := v3ACL{
		ClusterID:    cluster,
		ResourceType: known(acl.ResourceType, aclResources), ResourceName: acl.ResourceName, PatternType: known(acl.PatternType, aclPatterns),
		Principal: acl.Principal, Host: acl.Host,
		Operation: known(acl.Operation, aclOperations), Permission: known(acl.Permission, aclPermissions),
	}
	body.head = head{Kind: "KafkaAcl", Metadata: metadata{Self: n.aclsURL(cluster, kafkaclient.ACL{
		ResourceType: body.ResourceType, ResourceName: body.ResourceName, PatternType: body.PatternType,
		Principal: body.Principal, Host: body.Host, Operation: body.Operation, Permission: body.Permission,
	})}}
	return body
}

// aclsURL is the search for an ACL: all seven parameters, also empty ones.
func (n names) aclsURL(cluster string, acl kafkaclient.ACL) string {
	return n.url("clusters", cluster, "acls") +
		"?resource_type=" + formEncoded(acl.ResourceType) + "&resource_name=" + formEncoded(acl.ResourceName) +
		"&pattern_type=" + formEncoded(acl.PatternType) + "&principal=" + formEncoded(acl.Principal) + "&host=" + formEncoded(acl.Host) +
		"&operation=" + formEncoded(acl.Operation) + "&permission=" + formEncoded(acl.Permission)
}

// formEncoded writes a value of a query as Java's URLEncoder does.
func formEncoded(value string) string {
	return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(value))
}

// aclQuery reads the seven parameters of a search. Words may be in any case; those that are left
// out are otherwise.
func aclQuery(r *http.Request, otherwise string) (acl kafkaclient.ACL, err error) {
	query := r.URL.Query()
	word := func(name, class string, words []string) string {
		text := query.Get(name)
		if !query.Has(name) {
			return otherwise
		}
		if upper := strings.ToUpper(text); slices.Contains(words, upper) {
			return upper
		}
		if err == nil {
			err = badWord(class, text)
		}
		return ""
	}
	acl = kafkaclient.ACL{
		ResourceType: word("resource_type", "ResourceType", aclResources), ResourceName: query.Get("resource_name"),
		PatternType: word("pattern_type", "PatternType", aclPatterns), Principal: query.Get("principal"), Host: query.Get("host"),
		Operation: word("operation", "Operation", aclOperations), Permission: word("permission", "Permission", aclPermissions),
	}
	return acl, err
}

// refuseWord fails when one of the four words of an ACL is among those refused; the text names it.
func refuseWord(acl kafkaclient.ACL, refused string, text string) error {
	for _, w := range []struct{ name, word string }{
		{"resource_type", acl.ResourceType}, {"pattern_type", acl.PatternType}, {"operation", acl.Operation}, {"permission", acl.Permission},
	} {
		if w.word == refused {
			return badRequest(text, w.name)
		}
	}
	return nil
}

func filterOf(acl kafkaclient.ACL) kafkaclient.ACLFilter {
	given := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return kafkaclient.ACLFilter{
		ResourceType: acl.ResourceType, ResourceName: given(acl.ResourceName), PatternType: acl.PatternType,
		Principal: given(acl.Principal), Host: given(acl.Host), Operation: acl.Operation, Permission: acl.Permission,
	}
}

func (h *Handlers) v3ACLs(w http.ResponseWriter, r *http.Request) error {
	wanted, err := aclQuery(r, "ANY")
	if err != nil {
		return err
	}
	if err := refuseWord(wanted, "UNKNOWN", "%s cannot be UNKNOWN"); err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	acls, err := h.admin.ACLs(r.Context(), filterOf(wanted))
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	return writeList(w, r, "KafkaAclList", n.aclsURL(cluster.ID, wanted), n.acls(cluster.ID, acls))
}

func (n names) acls(cluster string, acls []kafkaclient.ACL) []v3ACL {
	data := make([]v3ACL, 0, len(acls))
	for _, acl := range acls {
		data = append(data, n.acl(cluster, acl))
	}
	return data
}

// v3DeleteACLs deletes what the query picks. It must say what kinds are meant, if only ANY.
func (h *Handlers) v3DeleteACLs(w http.ResponseWriter, r *http.Request) error {
	wanted, err := aclQuery(r, "UNKNOWN")
	if err != nil {
		return err
	}
	if err := refuseWord(wanted, "UNKNOWN", "%s cannot be unspecified or UNKNOWN"); err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	acls, err := h.admin.DeleteACLs(r.Context(), filterOf(wanted))
	if err != nil {
		return err
	}
	return writeV3(w, http.StatusOK, struct {
		Data []v3ACL `json:"data"`
	}{h.namesFor(r).acls(cluster.ID, acls)})
}

// newACL is an ACL as it is read from a body.
type newACL struct {
	resourceType, resourceName, patternType, principal, host, operation, permission *string
}

func (a *newACL) fields() fields {
	return fields{
		"resource_type": wordInto("ResourceType", &a.resourceType, aclResources...),
		"resource_name": textInto("resource_name", &a.resourceName),
		"pattern_type":  wordInto("PatternType", &a.patternType, aclPatterns...),
		"principal":     textInto("principal", &a.principal),
		"host":          textInto("host", &a.host),
		"operation":     wordInto("Operation", &a.operation, aclOperations...),
		"permission":    wordInto("Permission", &a.permission, aclPermissions...),
	}
}

// complete returns the ACL once all its members are there.
func (a *newACL) complete() (kafkaclient.ACL, error) {
	for _, m := range []struct {
		name  string
		value *string
	}{
		{"resourceType", a.resourceType},
		{"resourceName", a.resourceName},
		{"patternType", a.patternType},
		{"principal", a.principal},
		{"host", a.host},
		{"operation", a.operation},
		{"permission", a.permission},
	} {
		if m.value == nil {
			return kafkaclient.ACL{}, nullMember("CreateAclRequest", m.name)
		}
	}
	return kafkaclient.ACL{
		ResourceType: *a.resourceType, ResourceName: *a.resourceName, PatternType: *a.patternType, Principal: *a.principal,
		Host: *a.host, Operation: *a.operation, Permission: *a.permission,
	}, nil
}

// checkNewACL refuses words that are no single kind. The texts are the reference's, which names
// ANY also where UNKNOWN was given, but for patterns.
func checkNewACL(acl kafkaclient.ACL) error {
	vague := []string{"ANY", "UNKNOWN"}
	switch {
	case slices.Contains(vague, acl.ResourceType):
		return badRequest("resource_type cannot be ANY")
	case acl.PatternType == "MATCH" || slices.Contains(vague, acl.PatternType):
		return badRequest("pattern_type cannot be %s", acl.PatternType)
	case slices.Contains(vague, acl.Operation):
		return badRequest("operation cannot be ANY")
	case slices.Contains(vague, acl.Permission):
		return badRequest("permission cannot be ANY")
	}
	return nil
}

func (h *Handlers) v3CreateACL(w http.ResponseWriter, r *http.Request) error {
	var read newACL
	if err := h.readV3(r, nullInput, read.fields()); err != nil {
		return err
	}
	acl, err := read.complete()
	if err != nil {
		return err
	}
	if err := checkNewACL(acl); err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	if err := h.admin.CreateACLs(r.Context(), []kafkaclient.ACL{acl}); err != nil {
		return err
	}
	w.Header().Set("Location", h.namesFor(r).aclsURL(cluster.ID, acl))
	writeBody(w, http.StatusCreated, "", nil)
	return nil
}

// v3CreateACLs makes several ACLs; one that cannot be made keeps all from being made.
func (h *Handlers) v3CreateACLs(w http.ResponseWriter, r *http.Request) error {
	var acls []kafkaclient.ACL
	given := false
	err := h.readV3(r, nullInput, fields{"data": func(s *rawjson.Scanner) (err error) {
		acls = nil
		given, err = readArray(s, "data", func() error {
			var read newACL
			if err := readMembers(s, fmt.Sprintf("data[%d]", len(acls)), read.fields()); err != nil {
				return err
			}
			acl, err := read.complete()
			acls = append(acls, acl)
			return err
		})
		return err
	}})
	if err != nil {
		return err
	}
	if !given {
		return unprocessable(42206, "Payload error. %s", emptyInput)
	}
	for _, acl := range acls {
		if err := checkNewACL(acl); err != nil {
			return err
		}
	}
	if _, err := h.cluster(r, clusterCannot); err != nil {
		return err
	}
	if err := h.admin.CreateACLs(r.Context(), acls); err != nil {
		return err
	}
	return noContent(w)
}

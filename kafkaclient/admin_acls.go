package kafkaclient

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ACL is one right, or one refusal, in the words of Kafka's admin client: TOPIC, LITERAL, READ,
// ALLOW. Words that are not known read UNKNOWN.
type ACL struct {
	ResourceType string
	ResourceName string
	PatternType  string
	Principal    string // User:alice
	Host         string // * for all
	Operation    string
	Permission   string
}

// ACLFilter picks ACLs. ANY in a word, and nil, pick all; MATCH as a pattern picks what applies to
// the resource's name.
type ACLFilter struct {
	ResourceType string
	ResourceName *string
	PatternType  string
	Principal    *string
	Host         *string
	Operation    string
	Permission   string
}

// ACLs lists the ACLs that filter picks, in the order of their members.
func (a *Admin) ACLs(ctx context.Context, filter ACLFilter) ([]ACL, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	req := kmsg.NewPtrDescribeACLsRequest()
	w, err := wordsOf(filter.ResourceType, filter.PatternType, filter.Operation, filter.Permission)
	if err != nil {
		return nil, err
	}
	req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType = w.resource, w.pattern, w.operation, w.permission
	req.ResourceName, req.Principal, req.Host = filter.ResourceName, filter.Principal, filter.Host
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, fmt.Errorf("listing ACLs: %w", err)
	}
	if err := brokerError(resp.ErrorCode, resp.ErrorMessage); err != nil {
		return nil, err
	}
	acls := []ACL{}
	for _, r := range resp.Resources {
		for _, acl := range r.ACLs {
			acls = append(acls, ACL{
				ResourceType: r.ResourceType.String(), ResourceName: r.ResourceName, PatternType: r.ResourcePatternType.String(),
				Principal: acl.Principal, Host: acl.Host, Operation: acl.Operation.String(), Permission: acl.PermissionType.String(),
			})
		}
	}
	sortACLs(acls)
	return acls, nil
}

// CreateACLs makes ACLs; those that exist stay. The first that is refused fails the call, the
// others may have been made.
func (a *Admin) CreateACLs(ctx context.Context, acls []ACL) error {
	if len(acls) == 0 {
		return nil
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	req := kmsg.NewPtrCreateACLsRequest()
	for _, acl := range acls {
		w, err := wordsOf(acl.ResourceType, acl.PatternType, acl.Operation, acl.Permission)
		if err != nil {
			return err
		}
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourcePatternType, c.Operation, c.PermissionType = w.resource, w.pattern, w.operation, w.permission
		c.ResourceName, c.Principal, c.Host = acl.ResourceName, acl.Principal, acl.Host
		req.Creations = append(req.Creations, c)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return fmt.Errorf("creating ACLs: %w", err)
	}
	for _, result := range resp.Results {
		if err := brokerError(result.ErrorCode, result.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// DeleteACLs deletes the ACLs that filter picks and returns them, in the order of their members.
func (a *Admin) DeleteACLs(ctx context.Context, filter ACLFilter) ([]ACL, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	w, err := wordsOf(filter.ResourceType, filter.PatternType, filter.Operation, filter.Permission)
	if err != nil {
		return nil, err
	}
	f := kmsg.NewDeleteACLsRequestFilter()
	f.ResourceType, f.ResourcePatternType, f.Operation, f.PermissionType = w.resource, w.pattern, w.operation, w.permission
	f.ResourceName, f.Principal, f.Host = filter.ResourceName, filter.Principal, filter.Host
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, f)
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, fmt.Errorf("deleting ACLs: %w", err)
	}
	acls := []ACL{}
	for _, result := range resp.Results {
		if err := brokerError(result.ErrorCode, result.ErrorMessage); err != nil {
			return nil, err
		}
		for _, m := range result.MatchingACLs {
			if err := brokerError(m.ErrorCode, m.ErrorMessage); err != nil {
				return nil, err
			}
			acls = append(acls, ACL{
				ResourceType: m.ResourceType.String(), ResourceName: m.ResourceName, PatternType: m.ResourcePatternType.String(),
				Principal: m.Principal, Host: m.Host, Operation: m.Operation.String(), Permission: m.PermissionType.String(),
			})
		}
	}
	sortACLs(acls)
	return acls, nil
}

// aclWords are the words of an ACL as Kafka's codes.
type aclWords struct {
	resource   kmsg.ACLResourceType
	pattern    kmsg.ACLResourcePatternType
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

func wordsOf(resource, pattern, operation, permission string) (w aclWords, err error) {
	if w.resource, err = kmsg.ParseACLResourceType(resource); err != nil {
		return w, err
	}
	if w.pattern, err = kmsg.ParseACLResourcePatternType(pattern); err != nil {
		return w, err
	}
	if w.operation, err = kmsg.ParseACLOperation(operation); err != nil {
		return w, err
	}
	w.permission, err = kmsg.ParseACLPermissionType(permission)
	return w, err
}

func sortACLs(acls []ACL) {
	slices.SortFunc(acls, func(x, y ACL) int {
		return cmp.Or(
			cmp.Compare(x.ResourceType, y.ResourceType), cmp.Compare(x.ResourceName, y.ResourceName),
			cmp.Compare(x.PatternType, y.PatternType), cmp.Compare(x.Principal, y.Principal), cmp.Compare(x.Host, y.Host),
			cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Permission, y.Permission),
		)
	})
}

// Package aws_test checks the deployment files of this folder as far as a machine without an AWS account can:
// Terraform's by Terraform's own parser, CloudFormation's by cfn-lint, both against what they deploy.
package aws_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"headrace/services/svc"
)

var update = flag.Bool("update", false, "write the API and the user data of cloudformation.yaml anew")

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTerraformFiles parses them, and holds them to `terraform fmt`; every variable, local, data source and resource that is
// spoken of is declared, and every variable and local is used.
func TestTerraformFiles(t *testing.T) {
	files, err := filepath.Glob("terraform/*.tf")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %q, %v", files, err)
	}
	declared, used := map[string]bool{}, map[string]bool{}
	var bodies []*hclsyntax.Body
	parser := hclparse.NewParser()
	for _, file := range files {
		text := read(t, file)
		if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
			t.Errorf("%s is not formatted:\n%s", file, cmp.Diff(formatted, text))
		}
		parsed, problems := parser.ParseHCL([]byte(text), file)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		body := parsed.Body.(*hclsyntax.Body)
		bodies = append(bodies, body)
		for _, block := range body.Blocks {
			switch block.Type {
			case "locals":
				for name := range block.Body.Attributes {
					declared["local."+name] = true
				}
			case "variable":
				declared["var."+block.Labels[0]] = true
				if block.Body.Attributes["description"] == nil || block.Body.Attributes["type"] == nil {
					t.Errorf("%s: variable %s has no description or type", file, block.Labels[0])
				}
			case "resource":
				declared[strings.Join(block.Labels, ".")] = true
			case "data":
				declared["data."+strings.Join(block.Labels, ".")] = true
			case "output", "terraform":
			default:
				t.Errorf("%s: a block %s", file, block.Type)
			}
		}
	}
	for _, body := range bodies {
		walk(body, func(attribute string, traversal hcl.Traversal) {
			root := traversal.RootName()
			if root == "path" || root == "each" || root == "count" || attribute == "ignore_changes" || attribute == "type" {
				return
			}
			length := 2
			if root == "data" {
				length = 3
			}
			name := root
			for _, step := range traversal[1:min(length, len(traversal))] {
				name += "." + step.(hcl.TraverseAttr).Name
			}
			used[name] = true
			if !declared[name] {
				t.Errorf("%s: %s is declared nowhere", traversal.SourceRange(), name)
			}
		})
	}
	for name := range declared {
		if kind, _, _ := strings.Cut(name, "."); (kind == "var" || kind == "local" || kind == "data") && !used[name] {
			t.Errorf("%s is used nowhere", name)
		}
	}
}

// walk calls see for each reference in the attributes of body and of the blocks in it.
func walk(body *hclsyntax.Body, see func(attribute string, t hcl.Traversal)) {
	for name, attribute := range body.Attributes {
		for _, traversal := range attribute.Expr.Variables() {
			see(name, traversal)
		}
	}
	for _, block := range body.Blocks {
		if block.Type != "terraform" {
			walk(block.Body, see)
		}
	}
}

// TestTerraformTemplates: each template is there, and is given exactly the variables that it has.
func TestTerraformTemplates(t *testing.T) {
	call := regexp.MustCompile(`(?s)templatefile\("\$\{path.module}/([^"]+)", \{(.*?)\}\)`)
	given := regexp.MustCompile(`(?m)(\w+)\s*=`)
	calls := call.FindAllStringSubmatch(read(t, "terraform/iam.tf"), -1)
	var files []string
	for _, match := range calls {
		file := filepath.Join("terraform", match[1])
		files = append(files, file)
		got, want := names(given, match[2]), names(placeholder, read(t, file))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
	there, err := filepath.Glob("iam/*.json")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	if diff := cmp.Diff(there, files); diff != "" {
		t.Errorf("the policies of Terraform are not those of iam/: %s", diff)
	}
	for _, name := range regexp.MustCompile(`file\("\$\{path.module}/([^"]+)"\)`).FindAllStringSubmatch(read(t, "terraform/api.tf")+read(t, "terraform/hosts.tf"), -1) {
		if _, err := os.Stat(filepath.Join("terraform", name[1])); err != nil {
			t.Error(err)
		}
	}
}

var placeholder = regexp.MustCompile(`\$\{(\w+)}`)

func names(of *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range of.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// policy is an IAM policy document.
type policy struct {
	Version   string
	Statement []struct {
		Sid, Effect string
		Action      []string
		Resource    any
	}
}

// template is what these tests read of cloudformation.yaml. Its tags (!Ref and so on) are dropped.
type template struct {
	Resources map[string]struct {
		Type       string         `yaml:"Type"`
		Properties map[string]any `yaml:"Properties"`
	} `yaml:"Resources"`
}

func readTemplate(t *testing.T) template {
	t.Helper()
	var parsed template
	if err := yaml.Unmarshal([]byte(read(t, "cloudformation.yaml")), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestPolicies: the policies of iam/ are documents of their kind, allow no action by a pattern, and only ListStreams (which knows no
// streams) on everything; the stack's are the same; and docs/OPERATIONS.md names each action.
func TestPolicies(t *testing.T) {
	stack := map[string][]string{}
	for _, resource := range readTemplate(t).Resources {
		if resource.Type != "AWS::IAM::RolePolicy" {
			continue
		}
		name := resource.Properties["PolicyName"].(string)
		for _, s := range resource.Properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			for _, action := range s.(map[string]any)["Action"].([]any) {
				stack[name] = append(stack[name], s.(map[string]any)["Sid"].(string)+" "+action.(string))
			}
		}
	}
	files, err := filepath.Glob("iam/*.json")
	if err != nil {
		t.Fatal(err)
	}
	operations := read(t, "../../docs/OPERATIONS.md")
	got := map[string][]string{}
	for _, file := range files {
		var p policy
		decoder := json.NewDecoder(strings.NewReader(read(t, file)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&p); err != nil || p.Version != "2012-10-17" {
			t.Fatalf("%s: version %q, %v", file, p.Version, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		for _, s := range p.Statement {
			for _, action := range s.Action {
				got[name] = append(got[name], s.Sid+" "+action)
				if strings.Contains(action, "*") || s.Effect != "Allow" {
					t.Errorf("%s: %s %s", file, s.Effect, action)
				}
				if _, bare, _ := strings.Cut(action, ":"); !strings.Contains(operations, bare) {
					t.Errorf("docs/OPERATIONS.md does not name %s", action)
				}
				if s.Resource == "*" && action != "kinesis:ListStreams" {
					t.Errorf("%s: %s on everything", file, action)
				}
			}
		}
	}
	if diff := cmp.Diff(got, stack); diff != "" {
		t.Errorf("iam/ (-) and cloudformation.yaml (+) differ:\n%s", diff)
	}
}

// TestStackHasTheAPIAndTheUserData: what cloudformation.yaml repeats of the other files is the same.
func TestStackHasTheAPIAndTheUserData(t *testing.T) {
	api := read(t, "api.json")
	if *update {
		text := read(t, "cloudformation.yaml")
		before, rest, _ := strings.Cut(text, "      # api: begin\n")
		_, after, _ := strings.Cut(rest, "      # api: end\n")
		text = before + "      # api: begin\n      Body:\n" + indent(api, 8) + "      # api: end\n" + after
		const head, tail = "              # Makes a headrace host", "  Hosts:\n"
		before, rest, _ = strings.Cut(text, head)
		_, after, _ = strings.Cut(rest, tail)
		text = before + indent(read(t, "user-data.sh"), 14) + tail + after
		if err := os.WriteFile("cloudformation.yaml", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stack := readTemplate(t)
	var want any
	if err := json.Unmarshal([]byte(api), &want); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(stack.Resources["Api"].Properties["Body"])
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cloudformation.yaml has another API than api.json: run `go test ./docker/aws -update`\n%s", diff)
	}
	if !strings.Contains(read(t, "cloudformation.yaml"), indent(read(t, "user-data.sh"), 14)) {
		t.Error("cloudformation.yaml has other user data than user-data.sh: run `go test ./docker/aws -update`")
	}
}

func indent(text string, by int) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) != "" {
			lines[i] = strings.Repeat(" ", by) + line
		}
	}
	return strings.Join(lines, "")
}

// TestHostsAreClosed: in both kinds of files only IMDSv2 answers, disks are encrypted, nothing but the load balancer comes in, and the load
// balancer asks /readyz.
func TestHostsAreClosed(t *testing.T) {
	for file, want := range map[string][]string{
		"terraform/hosts.tf": {
			`http_tokens                 = "required"`, "encrypted = true", "associate_public_ip_address = false",
			`path                = "/readyz"`, "referenced_security_group_id = aws_security_group.balancer.id",
		},
		"cloudformation.yaml": {
			"HttpTokens: required", "Encrypted: true", "HealthCheckPath: /readyz", "SourceSecurityGroupId: !Ref BalancerSecurityGroup",
		},
	} {
		text := read(t, file)
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %s", file, part)
			}
		}
		if regexp.MustCompile(`(?i)(from_?port: *|from_port +=) *22\b`).MatchString(text) {
			t.Errorf("%s opens SSH", file)
		}
	}
	// An ingress rule that names a network, and not a group, lets in more than the load balancer.
	for block := range strings.SplitSeq(read(t, "terraform/hosts.tf"), "\nresource ") {
		if strings.Contains(block, "_ingress_rule") && strings.Contains(block, "cidr") {
			t.Errorf("a network comes in: %s", block)
		}
	}
	for name, resource := range readTemplate(t).Resources {
		if _, open := resource.Properties["SecurityGroupIngress"]; open || resource.Type == "AWS::EC2::SecurityGroupIngress" && resource.Properties["CidrIp"] != nil {
			t.Errorf("%s lets a network in", name)
		}
	}
}

// TestCloudFormationLint asks cfn-lint, which knows every property of every resource, and every IAM action. A template with a
// misspelt property must fail, or it has not looked.
func TestCloudFormationLint(t *testing.T) {
	lint := svc.Need(t, "HEADRACE_TEST_CFN_LINT")
	run := func(file string) ([]byte, error) {
		return exec.CommandContext(t.Context(), lint, "--regions", "eu-west-1", "--", file).CombinedOutput()
	}
	if out, err := run("cloudformation.yaml"); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	text := strings.Replace(read(t, "cloudformation.yaml"), "HttpTokens: required", "HttpToken: required", 1)
	if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(broken); err == nil || !bytes.Contains(out, []byte("HttpToken")) {
		t.Errorf("cfn-lint takes a misspelt property: %v\n%s", err, out)
	}
}

// TestUserData runs user-data.sh with stand-ins for the AWS CLI and systemctl, below a root of its own: the files
// are where the unit and the old scripts look for them, the service is started, and a tar that is another one than expected is not unpacked.
func TestUserData(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on this machine")
	}
	for _, tool := range []string{"tar", "sha256sum", "install"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine", tool)
		}
	}
	dir := t.TempDir()
	shell := func(text string, env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), bash, "-c", text)
		cmd.Env = append(append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DIR="+dir), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := shell(`set -e; cd "$DIR"; mkdir -p headrace-1-linux-arm64 bucket
		for f in headrace kafka-rest-start kafka-rest-stop kafka-rest-run-class headrace.service; do echo "$f" >headrace-1-linux-arm64/$f; done
		tar -czf bucket/h.tar.gz headrace-1-linux-arm64; echo bootstrap.servers=b:9098 >bucket/kafka-rest.properties
		printf '#!/bin/sh\n[ "$4" = --region ] && [ "$5" = eu-west-1 ] || exit 1\ncp "$DIR/${6#s3://}" "$7"\n' >aws
		printf '#!/bin/sh\necho "$*" >>"$DIR/systemctl.log"\n' >systemctl; chmod +x aws systemctl
		sha256sum bucket/h.tar.gz | cut -d " " -f 1 >sum`); err != nil {
		t.Fatal(out)
	}
	sum := strings.TrimSpace(read(t, filepath.Join(dir, "sum")))
	script := read(t, "user-data.sh")
	env := func(sum, root string) []string {
		return []string{
			"ARTIFACT=s3://bucket/h.tar.gz", "PROPERTIES=s3://bucket/kafka-rest.properties", "REGION=eu-west-1",
			"TRUSTED_PROXIES=10.0.1.0/24,10.0.2.0/24", "SHA256=" + sum, "ROOT=" + root,
		}
	}
	other := t.TempDir()
	if out, err := shell(script, env(strings.Repeat("0", 64), other)...); err == nil || !strings.Contains(out, "FAILED") {
		t.Errorf("another tar than expected was taken: %s", out)
	}
	if left, _ := os.ReadDir(other); len(left) > 0 {
		t.Errorf("another tar than expected left %v", left)
	}
	root := t.TempDir()
	if out, err := shell(script, env(sum, root)...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for file, want := range map[string]string{
		"usr/bin/headrace":                     "headrace\n",
		"usr/bin/kafka-rest-stop":              "kafka-rest-stop\n",
		"etc/systemd/system/headrace.service":  "headrace.service\n",
		"etc/kafka-rest/kafka-rest.properties": "bootstrap.servers=b:9098\n",
		"etc/kafka-rest/environment":           "AWS_REGION=eu-west-1\nKAFKA_REST_HEADRACE_TRUSTED_PROXIES=10.0.1.0/24,10.0.2.0/24\n",
	} {
		if got := read(t, filepath.Join(root, file)); got != want {
			t.Errorf("%s holds %q, want %q", file, got, want)
		}
	}
	if info, err := os.Stat(root + "/usr/bin/headrace"); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("headrace: %v, %v", info, err)
	}
	if got := read(t, filepath.Join(dir, "systemctl.log")); got != "daemon-reload\nenable --now headrace\n" {
		t.Errorf("systemctl was called with %q", got)
	}
}

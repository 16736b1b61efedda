package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// hostRegion finds the region in the name of a broker of Amazon's: b-1.name.id.c2.kafka.us-east-1.amazonaws.com.
var hostRegion = regexp.MustCompile(`\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|api\.aws|api\.amazonwebservices\.com\.cn)\.?$`)

// RegionOfBroker returns the region in a broker's host name; "" when it tells none.
func RegionOfBroker(host string) string {
	if m := hostRegion.FindStringSubmatch(host); m != nil {
		return m[1]
	}
	return ""
}

// errRegion says that nothing tells which region to sign for.
var errRegion = errors.New("the region to sign for is not known: the broker's name does not tell it, and neither AWS_REGION, the profile nor the instance does")

// region is where a login at host is signed for: as the host's name says, else as the environment, the profile or the
// instance does.
func (i *identity) region(ctx context.Context, host string) (string, error) {
	if region := RegionOfBroker(host); region != "" {
		return region, nil
	}
	return i.place.now(ctx)
}

// findRegion asks the environment, the profile and the instance, in this order.
func (i *identity) findRegion(ctx context.Context, _ bool) (lasting[string], error) {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	var more []func(*config.LoadOptions) error
	if i.cfg.Profile != "" {
		more = append(more, config.WithSharedConfigProfile(i.cfg.Profile))
	}
	cfg, err := i.awsConfig(ctx, more...) // the environment's wins over the profile's
	if err != nil {
		cfg, err = i.awsConfig(ctx)
	}
	region := cfg.Region
	if err != nil || region == globalRegion {
		region = ""
	}
	if region == "" {
		answer, err := imds.New(imds.Options{}).GetRegion(ctx, nil)
		if err != nil {
			return lasting[string]{}, fmt.Errorf("%w (%w)", errRegion, err)
		}
		region = answer.Region
	}
	until := time.Now().Add(time.Hour)
	return lasting[string]{value: region, renew: until, urgent: until, expires: until}, nil
}

// Package kubernetes has no code: the manifests beside it are tested here, against each other and against the commands
// that they call.
package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery/open"
)

// object is what the tests look at of a manifest.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		// Service
		ClusterIP                string `yaml:"clusterIP"`
		PublishNotReadyAddresses bool   `yaml:"publishNotReadyAddresses"`
		Ports                    []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
		// PodDisruptionBudget
		MaxUnavailable int `yaml:"maxUnavailable"`
		// NetworkPolicy
		PodSelector selector `yaml:"podSelector"`
		Ingress     []struct {
			From []struct {
				PodSelector selector `yaml:"podSelector"`
			}
			Ports []struct{ Port string }
		}
		// StatefulSet
		ServiceName          string `yaml:"serviceName"`
		Replicas             int
		PodManagementPolicy  string `yaml:"podManagementPolicy"`
		Template             template
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
		// A Service's selector is of another form than those of the others.
		Selector yaml.Node
	}
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type template struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
		Containers                    []struct {
			Name, Image string
			Args        []string
			Env         []struct{ Name string }
			Ports       []struct {
				Name          string
				ContainerPort int `yaml:"containerPort"`
			}
			ReadinessProbe probe `yaml:"readinessProbe"`
			LivenessProbe  probe `yaml:"livenessProbe"`
			StartupProbe   probe `yaml:"startupProbe"`
			VolumeMounts   []struct {
				Name      string
				MountPath string `yaml:"mountPath"`
			} `yaml:"volumeMounts"`
		}
		Volumes []struct{ Name string }
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// load reads all objects of a file, and refuses keys that are there twice.
func load(t *testing.T, file string) []object {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var objects []object
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return objects
		}
		require.NoError(t, err, file)
		require.NotEmpty(t, o.Kind, file)
		require.NotEmpty(t, o.Metadata.Name, file)
		objects = append(objects, o)
	}
}

// find returns the object of a kind with a name, of all files.
func find(t *testing.T, kind, name string) object {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	more, err := filepath.Glob("more/*.yaml")
	require.NoError(t, err)
	for _, file := range append(files, more...) {
		for _, o := range load(t, file) {
			if o.Kind == kind && o.Metadata.Name == name {
				return o
			}
		}
	}
	require.FailNow(t, "there is no such object", "%s %s", kind, name)
	return object{}
}

var sets = []string{"raft", "raft-joining"}

// flags are those of the only container, with the variables as Kubernetes puts them in for a pod.
func flags(t *testing.T, set object, pod string) map[string]string {
	t.Helper()
	require.Len(t, set.Spec.Template.Spec.Containers, 1)
	container := set.Spec.Template.Spec.Containers[0]
	require.Equal(t, "run", container.Args[0])
	values := map[string]string{"POD_NAME": pod, "POD_NAMESPACE": "orders"}
	var defined []string
	for _, variable := range container.Env {
		defined = append(defined, variable.Name)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(values)), defined)
	found := map[string]string{}
	for _, argument := range container.Args[1:] {
		for name, value := range values {
			argument = strings.ReplaceAll(argument, "$("+name+")", value)
		}
		require.NotContains(t, argument, "$(")
		name, value, _ := strings.Cut(argument, "=")
		require.True(t, strings.HasPrefix(name, "--"), argument)
		require.NotContains(t, found, name)
		found[name] = value
	}
	return found
}

func TestFoundersListThemselvesUnderTheNamesOfTheHeadlessService(t *testing.T) {
	set, service := find(t, "StatefulSet", "raft"), find(t, "Service", "raft")
	assert.Equal(t, "None", service.Spec.ClusterIP)
	assert.True(t, service.Spec.PublishNotReadyAddresses, "nodes must find each other before they are ready")
	assert.Equal(t, "Parallel", set.Spec.PodManagementPolicy, "no node is ready before there is a majority")
	assert.Equal(t, 3, set.Spec.Replicas)
	var expected []string
	for i := range set.Spec.Replicas {
		pod := fmt.Sprintf("%s-%d", set.Metadata.Name, i)
		expected = append(expected, fmt.Sprintf("%s=%s.%s.orders.svc.cluster.local:%d", pod, pod, service.Metadata.Name, service.Spec.Ports[0].Port))
	}
	for i := range set.Spec.Replicas {
		pod := fmt.Sprintf("%s-%d", set.Metadata.Name, i)
		given := flags(t, set, pod)
		peers := strings.Split(given["--peers"], ",")
		assert.Equal(t, expected, peers)
		assert.Contains(t, peers, given["--id"]+"="+given["--advertise"])
	}
}

func TestJoiningNodesFoundNothing(t *testing.T) {
	given := flags(t, find(t, "StatefulSet", "raft-joining"), "raft-joining-0")
	assert.Contains(t, given, "--join")
	assert.NotContains(t, given, "--peers")
	assert.Equal(t, "raft-joining-0.raft.orders.svc.cluster.local:7001", given["--advertise"])
}

func TestPortsAndNamesAgree(t *testing.T) {
	service, api := find(t, "Service", "raft"), find(t, "Service", "raft-api")
	require.Len(t, service.Spec.Ports, 1)
	require.Len(t, api.Spec.Ports, 1)
	for _, name := range sets {
		set := find(t, "StatefulSet", name)
		given := flags(t, set, name+"-0")
		assert.Equal(t, service.Metadata.Name, set.Spec.ServiceName)
		ports := map[string]int{}
		for _, port := range set.Spec.Template.Spec.Containers[0].Ports {
			ports[port.Name] = port.ContainerPort
		}
		assert.Equal(t, map[string]int{"raft": 7001, "api": 8001}, ports)
		// A headless service does not translate ports.
		assert.Equal(t, ports[service.Spec.Ports[0].TargetPort], service.Spec.Ports[0].Port)
		assert.Equal(t, ports[api.Spec.Ports[0].TargetPort], api.Spec.Ports[0].Port)
		assert.Equal(t, fmt.Sprint(":", ports["raft"]), given["--bind"])
		assert.Equal(t, fmt.Sprint(":", ports["api"]), given["--api"])
		assert.Equal(t, given["--id"]+".raft.orders.svc.cluster.local:7001", given["--advertise"])
		assert.Equal(t, "orders", given["--cluster"])
		assert.Equal(t, fmt.Sprintf("dns+srv://_%s._tcp.%s.orders.svc.cluster.local.", service.Spec.Ports[0].Name, service.Metadata.Name), given["--discovery"])
	}
}

func TestDiscoveryURLIsUnderstood(t *testing.T) {
	for _, name := range sets {
		_, err := open.Open(flags(t, find(t, "StatefulSet", name), name+"-0")["--discovery"], nil)
		assert.NoError(t, err)
	}
}

func TestSelectorsChooseThePods(t *testing.T) {
	var labels []map[string]string
	for _, name := range sets {
		set := find(t, "StatefulSet", name)
		var own selector
		require.NoError(t, set.Spec.Selector.Decode(&own))
		pods := set.Spec.Template.Metadata.Labels
		assert.Equal(t, pods, own.MatchLabels)
		labels = append(labels, pods)
	}
	assert.NotEqual(t, labels[0], labels[1], "or each set would take the other's pods")

	var chosen []map[string]string
	for _, name := range []string{"raft", "raft-api"} {
		var s map[string]string
		service := find(t, "Service", name)
		require.NoError(t, service.Spec.Selector.Decode(&s))
		chosen = append(chosen, s)
	}
	var budgeted selector
	budget := find(t, "PodDisruptionBudget", "raft")
	require.NoError(t, budget.Spec.Selector.Decode(&budgeted))
	assert.Equal(t, 1, budget.Spec.MaxUnavailable)
	policy := find(t, "NetworkPolicy", "raft")
	chosen = append(chosen, budgeted.MatchLabels, policy.Spec.PodSelector.MatchLabels, policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels)
	for _, selected := range chosen {
		for _, pods := range labels {
			for key, value := range selected {
				assert.Equal(t, value, pods[key])
			}
		}
	}
	assert.Equal(t, "raft", policy.Spec.Ingress[0].Ports[0].Port)
	assert.Empty(t, policy.Spec.Ingress[1].From)
	assert.Equal(t, "api", policy.Spec.Ingress[1].Ports[0].Port)
}

func TestProbesAskTheAPI(t *testing.T) {
	for _, name := range sets {
		pod := find(t, "StatefulSet", name).Spec.Template.Spec
		c := pod.Containers[0]
		for expected, p := range map[string]probe{"/health?ready": c.ReadinessProbe, "/health": c.LivenessProbe} {
			assert.Equal(t, expected, p.HTTPGet.Path)
			assert.Equal(t, "api", p.HTTPGet.Port)
		}
		assert.Equal(t, "/health", c.StartupProbe.HTTPGet.Path)
		assert.Greater(t, pod.TerminationGracePeriodSeconds, 10, "the default of --stop-timeout")
	}
}

func TestDataAndTokensAreOnVolumes(t *testing.T) {
	for _, name := range sets {
		set := find(t, "StatefulSet", name)
		given, c := flags(t, set, name+"-0"), set.Spec.Template.Spec.Containers[0]
		mounted := map[string]string{}
		for _, mount := range c.VolumeMounts {
			mounted[mount.Name] = mount.MountPath
		}
		require.Len(t, set.Spec.VolumeClaimTemplates, 1)
		require.Len(t, set.Spec.Template.Spec.Volumes, 1)
		assert.True(t, strings.HasPrefix(given["--data"], mounted[set.Spec.VolumeClaimTemplates[0].Metadata.Name]+"/"))
		assert.True(t, strings.HasPrefix(given["--token-file"], mounted[set.Spec.Template.Spec.Volumes[0].Name]+"/"))
	}
}

// Calls CNI plugins through libcni, the library that container runtimes call them with.
//
//	libcni [flags] add|check|del CONFLIST CONTAINER-ID [NETNS]
//	libcni [flags] validate CONFLIST
//
// add prints the result, in the version of the configuration; validate asks every plugin of the list for its
// versions, as CRI-O does before it uses a configuration, and prints the capabilities that are asked for. A
// failure is printed to stderr as {"code", "msg", "details"} and ends with status 1; an error of libcni
// itself has code 0.
//
// libcni 1.1 has neither STATUS nor GC.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

var (
	path    = flag.String("path", "/opt/cni/bin", "directories of plugins, separated by colons")
	cache   = flag.String("cache", libcni.CacheDir, "directory where libcni keeps the results of ADD")
	ifname  = flag.String("ifname", "eth0", "interface to make in the container")
	args    = flag.String("args", "", "CNI_ARGS, as KEY=VALUE;KEY=VALUE")
	runtime = flag.String("runtime-config", "{}", "capability arguments, as a JSON object")
	timeout = flag.Duration("timeout", time.Minute, "deadline of the whole call")
)

func main() {
	flag.Parse()
	answer, err := call(flag.Args())
	if err != nil {
		fail(err)
	}
	if answer != nil {
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			fail(err)
		}
	}
}

func call(words []string) (interface{}, error) {
	if len(words) < 2 {
		return nil, errors.New("usage: libcni [flags] add|check|del|validate CONFLIST [CONTAINER-ID [NETNS]]")
	}
	verb := words[0]
	list, err := libcni.ConfListFromFile(words[1])
	if err != nil {
		return nil, err
	}
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(*path), *cache, nil)
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()

	if verb == "validate" {
		return cni.ValidateNetworkList(ctx, list)
	}
	container, err := runtimeConf(words[2:])
	if err != nil {
		return nil, err
	}
	switch verb {
	case "add":
		return cni.AddNetworkList(ctx, list, container)
	case "check":
		return nil, cni.CheckNetworkList(ctx, list, container)
	case "del":
		return nil, cni.DelNetworkList(ctx, list, container)
	}
	return nil, fmt.Errorf("unknown verb %q", verb)
}

// runtimeConf gathers what a runtime says of one container: its id, its network namespace and the flags.
// Without a namespace the call is the one that runtimes make when the namespace is gone already.
func runtimeConf(words []string) (*libcni.RuntimeConf, error) {
	if len(words) < 1 || len(words) > 2 {
		return nil, errors.New("expected CONTAINER-ID [NETNS]")
	}
	conf := &libcni.RuntimeConf{ContainerID: words[0], IfName: *ifname}
	if len(words) == 2 {
		conf.NetNS = words[1]
	}
	for _, pair := range strings.FieldsFunc(*args, func(r rune) bool { return r == ';' }) {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("no = in %q of -args", pair)
		}
		conf.Args = append(conf.Args, [2]string{key, value})
	}
	if err := json.Unmarshal([]byte(*runtime), &conf.CapabilityArgs); err != nil {
		return nil, fmt.Errorf("-runtime-config: %w", err)
	}
	return conf, nil
}

func fail(err error) {
	var problem *types.Error
	if !errors.As(err, &problem) {
		problem = &types.Error{Msg: err.Error()}
	}
	// types.Error has no way to fail here: three plain fields.
	text, _ := json.Marshal(problem)
	fmt.Fprintln(os.Stderr, string(text))
	os.Exit(1)
}

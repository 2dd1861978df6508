//go:build tools

// Package kwok names kwok, the node without a kubelet that tests of faults run against, so that go.mod pins it.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"

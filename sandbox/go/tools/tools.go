//go:build tools

// Package tools names helm, the one outside program that kolla-k8s calls, so that go.mod pins it.
package tools

import _ "helm.sh/helm/v4/cmd/helm"

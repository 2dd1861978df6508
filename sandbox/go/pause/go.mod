module kolla-k8s.io/sandbox/pause

go 1.24.0

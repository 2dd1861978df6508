{{/* Whole name of an image: the chart's own override, or registry, name and tag of the site. */}}
{{- define "neutron.image" -}}
{{- $site := .root.Values.global.images -}}
{{- index .root.Values.images .name | default (printf "%s/%s:%s" $site.registry .name $site.tag) -}}
{{- end -}}

{{/* What a template gives, made once for all objects that ask for it; kept where only this rendering sees it. */}}
{{- define "neutron.once" -}}
{{- $made := index .root.Values "made" | default dict -}}
{{- $key := print .template "/" .key -}}
{{- if not (hasKey $made $key) -}}
{{- $_ := set $made $key (include .template .with) -}}
{{- $_ := set .root.Values "made" $made -}}
{{- end -}}
{{- index $made $key -}}
{{- end -}}

{{/*
The file that tells a pod about itself: its static part, and what only values know. Of its files, defaults come first,
then variants and the form of logs, and the site's own words last. It counts members only of what its files list one by
one, so that no other pod restarts when a service grows; agents and start scripts ask instead.
*/}}
{{- define "neutron.podFile" -}}
{{- include "neutron.once" (dict "root" .root "template" "neutron.newPodFile" "key" (print .pod "/" .each) "with" .) -}}
{{- end -}}

{{- define "neutron.newPodFile" -}}
{{- $root := .root -}}
{{- $pod := $root.Files.Get (printf "files/%s.json" .pod) | fromJson -}}
{{- range $name, $file := $pod.files -}}
{{- $content := index $root.Values.defaults $name -}}
{{- range $variant := index ($root.Values.variants | default dict) $name -}}
{{- $holds := true -}}
{{- range $option, $wanted := $variant.when -}}
{{- if ne (toString (index $root.Values.options $option)) (toString $wanted) -}}{{- $holds = false -}}{{- end -}}
{{- end -}}
{{- if $holds -}}{{- $content = mergeOverwrite (deepCopy $content) (deepCopy $variant.content) -}}{{- end -}}
{{- end -}}
{{- if and $file.json_logs (eq $root.Values.global.logs.format "json") -}}
{{- $content = mergeOverwrite (deepCopy $content) $file.json_logs -}}
{{- end -}}
{{- $_ := unset $file "json_logs" -}}
{{- with index $root.Values.config $name -}}
{{- if kindIs "map" . -}}{{- $content = mergeOverwrite (deepCopy $content) (deepCopy .) -}}{{- else -}}{{- $content = . -}}{{- end -}}
{{- end -}}
{{- if $file.sections -}}
{{- $picked := dict -}}
{{- range $section := $file.sections -}}
{{- if hasKey $content $section -}}{{- $_ := set $picked $section (index $content $section) -}}{{- end -}}
{{- end -}}
{{- $content = $picked -}}
{{- end -}}
{{- $_ := set $file "content" $content -}}
{{- end -}}
{{- range $name, $url := $pod.urls -}}
{{- with $url.expose -}}
{{- with include "neutron.public" (dict "root" $root "of" .) | fromJson -}}
{{- $_ := set $url "public" (print .url $url.path) -}}
{{- end -}}
{{- $_ := unset $url "expose" -}}
{{- end -}}
{{- end -}}
{{- $namespaces := merge (dict "control" $root.Release.Namespace) $root.Values.global.namespaces -}}
{{- with .each -}}{{- $_ := set $pod "each" . -}}{{- end -}}
{{- range $need, $when := $pod.wait_when -}}
{{- range $option, $wanted := $when -}}
{{- if ne (toString (index $root.Values.options $option)) (toString $wanted) -}}
{{- $_ := set $pod "wait" (without $pod.wait $need) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := unset $pod "wait_when" -}}
{{- $options := dict -}}
{{- range $pod.options -}}{{- $_ := set $options . (index $root.Values.options .) -}}{{- end -}}
{{- $_ := set $pod "options" $options -}}
{{- $listed := list -}}
{{- range regexFindAll "\\$\\{(?:members|hosts|addresses|count):[^}|]+" (toJson $pod) -1 -}}
{{- $listed = append $listed (splitList ":" . | last) -}}
{{- end -}}
{{- $members := dict -}}
{{- range $name, $host := $pod.hosts -}}
{{- if or (has $name $listed) (and (eq $name "rabbitmq") $pod.transports) -}}
{{- with index $root.Values.global.members $name -}}{{- $_ := set $members $name . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $pod "members" $members -}}
{{- $_ := set $pod "site" (dict "region" $root.Values.global.region "namespaces" $namespaces) -}}
{{- toJson $pod -}}
{{- end -}}

{{/* How clients outside reach an exposed port, as JSON: host, nodePort, port and url; an empty map when they do not. */}}
{{- define "neutron.public" -}}
{{- $expose := .root.Values.global.expose -}}
{{- $said := ternary (index (.root.Values.expose | default dict) .of.name) (dig .of.service .of.name dict ($expose.services | default dict)) (eq .of.service "neutron") -}}
{{- $isOn := ternary $said.enabled .of.isPublic (hasKey $said "enabled") -}}
{{- if and $isOn (or .of.isHttp (ne $expose.mode "gateway")) (ne $expose.mode "none") -}}
{{- $domain := required "global.expose.domain: the domain of public names is missing" $expose.domain -}}
{{- $host := $said.host | default (printf "%s.%s" .of.label $domain) -}}
{{- $scheme := $expose.scheme | default (ternary "https" "http" (eq $expose.mode "gateway")) -}}
{{- $usual := ternary 443 80 (eq $scheme "https") -}}
{{- $nodePort := $said.nodePort | default .of.nodePort | int -}}
{{- $port := get (dict "gateway" $usual "loadBalancer" .of.port "nodePort" $nodePort) $expose.mode -}}
{{- $port = $expose.port | default $port | int -}}
{{- $url := printf "%s://%s%s" $scheme $host (ternary "" (printf ":%d" $port) (eq $port $usual)) -}}
{{- dict "host" $host "nodePort" $nodePort "port" $port "url" $url | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* Spec of the Service for clients outside, in the modes that have one. */}}
{{- define "neutron.publicService" -}}
{{- $expose := .root.Values.global.expose -}}
{{- $port := dict "name" .portName "port" .of.port "targetPort" .portName "protocol" .transport -}}
{{- if eq $expose.mode "nodePort" -}}
{{- $_ := set $port "nodePort" ((include "neutron.public" . | fromJson).nodePort | int) -}}
{{- end -}}
type: {{ title $expose.mode }}
{{- if and $expose.class (eq $expose.mode "loadBalancer") }}
loadBalancerClass: {{ $expose.class | quote }}
{{- end }}
selector: {{ toJson .selector }}
ports: {{ list $port | toJson }}
{{- end -}}

{{/* The Gateway that carries a route: the site's own, or this service's listeners on it, which have their certificate. */}}
{{- define "neutron.publicParent" -}}
{{- $gateway := .root.Values.global.expose.gateway -}}
{{- if and .of .root.Values.global.expose.tls -}}
group: gateway.networking.k8s.io
kind: ListenerSet
name: {{ .of.label }}-public
{{- else -}}
group: gateway.networking.k8s.io
kind: Gateway
name: {{ required "global.expose.gateway: the Gateway's name is missing" $gateway.name | quote }}
namespace: {{ $gateway.namespace | default .root.Release.Namespace | quote }}
{{- if and .of $gateway.listener }}
sectionName: {{ $gateway.listener | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Who comes from outside: pods of the Gateway, or anybody. */}}
{{- define "neutron.visitors" -}}
{{- $expose := .Values.global.expose -}}
{{- if eq $expose.mode "gateway" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ coalesce $expose.gateway.proxies $expose.gateway.namespace .Release.Namespace | quote }}
{{- else -}}
- ipBlock:
    cidr: 0.0.0.0/0
- ipBlock:
    cidr: ::/0
{{- end -}}
{{- end -}}

{{/* Name of a pod's ConfigMap: by content, so that a change makes a new one and an old pod keeps its own. */}}
{{- define "neutron.configName" -}}
{{- include "neutron.once" (dict "root" .root "template" "neutron.newConfigName" "key" (print .pod "/" .each) "with" .) -}}
{{- end -}}

{{- define "neutron.newConfigName" -}}
{{- printf "neutron-%s-%s" .pod (include "neutron.podFile" . | sha256sum | trunc 10) -}}
{{- end -}}

{{/* Name of the ConfigMap of programs, by content too. */}}
{{- define "neutron.programsName" -}}neutron-programs-e62d98f4a3{{- end -}}

{{/* Who may connect: pods that carry the label of this need in either namespace, and nodes. */}}
{{- define "neutron.clients" -}}
- podSelector:
    matchLabels:
      {{ .label }}: "true"
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .root.Values.global.namespaces.node | quote }}
  podSelector:
    matchLabels:
      {{ .label }}: "true"
{{- range .root.Values.global.nodeCidrs }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Addresses of the Kubernetes API. */}}
{{- define "neutron.apiServer" -}}
{{- range .Values.global.apiServer.cidrs | default (list "0.0.0.0/0" "::/0") }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "neutron.bootstrapLabels" -}}
app.kubernetes.io/name: neutron
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: bootstrap
needs.kolla-k8s.io/mariadb: 'true'
needs.kolla-k8s.io/memcached: 'true'
needs.kolla-k8s.io/rabbitmq: 'true'
needs.kolla-k8s.io/keystone: 'true'
needs.kolla-k8s.io/ovn: 'true'
needs.kolla-k8s.io/nova: 'true'
needs.kolla-k8s.io/placement: 'true'
needs.kolla-k8s.io/neutron: 'true'
{{- end -}}

{{/* The bootstrap Job's pod; its digest names the Job and is what pods wait for. */}}
{{- define "neutron.bootstrapPod" -}}
{{- include "neutron.once" (dict "root" . "template" "neutron.newBootstrapPod" "key" "" "with" .) -}}
{{- end -}}

{{- define "neutron.newBootstrapPod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
imagePullSecrets: {{ toJson .Values.global.images.pullSecrets }}
priorityClassName: {{ .Values.global.priorityClass | quote }}
nodeSelector: {{ toJson .Values.global.nodeSelector }}
tolerations: {{ toJson .Values.global.tolerations }}
securityContext:
  runAsNonRoot: true
  runAsUser: 42435
  runAsGroup: 42435
  fsGroup: 42435
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
restartPolicy: Never
serviceAccountName: neutron
terminationGracePeriodSeconds: 5
initContainers:
- name: prepare
  image: {{ include "neutron.image" (dict "root" $ "name" "neutron-server") | quote }}
  imagePullPolicy: {{ .Values.global.images.pullPolicy }}
  command:
  - python3
  - /kolla-k8s/init.py
  - prepare
  env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  - {name: NODE_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
  - {name: BOOTSTRAP_RECORD, value: neutron-bootstrap}
  - name: LIMIT_MEMORY
    valueFrom:
      resourceFieldRef:
        containerName: identity-record
        resource: limits.memory
        divisor: 1Mi
  - name: LIMIT_CPU
    valueFrom:
      resourceFieldRef:
        containerName: identity-record
        resource: limits.cpu
        divisor: '1'
  resources:
    requests:
      cpu: 100m
      memory: 256Mi
    limits:
      cpu: '2'
      memory: 512Mi
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop:
      - ALL
  volumeMounts:
  - {name: kolla-k8s, mountPath: /kolla-k8s, readOnly: true}
  - {name: rendered, mountPath: /run/kolla-k8s/rendered}
  - {name: secrets-prepare, mountPath: /run/kolla-k8s/secrets, readOnly: true}
  - {name: token, mountPath: /run/kolla-k8s/token, readOnly: true}
  - {name: tmp, mountPath: /tmp}
- name: databases-messaging
  image: {{ include "neutron.image" (dict "root" $ "name" "neutron-server") | quote }}
  imagePullPolicy: {{ .Values.global.images.pullPolicy }}
  command:
  - python3
  - /kolla-k8s/bootstrap.py
  - databases
  - messaging
  resources:
    requests:
      cpu: 100m
      memory: 256Mi
    limits:
      cpu: '2'
      memory: 512Mi
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop:
      - ALL
  volumeMounts:
  - {name: kolla-k8s, mountPath: /kolla-k8s, readOnly: true}
  - {name: rendered, mountPath: /run/kolla-k8s/rendered, readOnly: true}
  - {name: secrets-databases-messaging, mountPath: /run/kolla-k8s/secrets, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: state, mountPath: /var/lib/neutron}
  - {name: rendered, mountPath: /etc/kolla-k8s/database.cnf, subPath: database.cnf, readOnly: true}
  - {name: rendered, mountPath: /etc/neutron/neutron.conf, subPath: neutron.conf, readOnly: true}
- name: steps
  image: {{ include "neutron.image" (dict "root" $ "name" "neutron-server") | quote }}
  imagePullPolicy: {{ .Values.global.images.pullPolicy }}
  command:
  - python3
  - /kolla-k8s/init.py
  - steps
  - schema-expand
  - schema-contract
  env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  - {name: NODE_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
  resources:
    requests:
      cpu: 100m
      memory: 256Mi
    limits:
      cpu: '2'
      memory: 512Mi
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop:
      - ALL
  volumeMounts:
  - {name: kolla-k8s, mountPath: /kolla-k8s, readOnly: true}
  - {name: rendered, mountPath: /run/kolla-k8s/rendered, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: state, mountPath: /var/lib/neutron}
  - {name: rendered, mountPath: /etc/kolla-k8s/database.cnf, subPath: database.cnf, readOnly: true}
  - {name: rendered, mountPath: /etc/neutron/neutron.conf, subPath: neutron.conf, readOnly: true}
containers:
- name: identity-record
  image: {{ include "neutron.image" (dict "root" $ "name" "neutron-server") | quote }}
  imagePullPolicy: {{ .Values.global.images.pullPolicy }}
  command:
  - python3
  - /kolla-k8s/bootstrap.py
  - identity
  - record
  env:
  - {name: BOOTSTRAP_RECORD, value: neutron-bootstrap}
  - name: JOB_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.labels['job-name']
  resources:
    requests:
      cpu: 100m
      memory: 256Mi
    limits:
      cpu: '2'
      memory: 512Mi
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop:
      - ALL
  volumeMounts:
  - {name: kolla-k8s, mountPath: /kolla-k8s, readOnly: true}
  - {name: rendered, mountPath: /run/kolla-k8s/rendered, readOnly: true}
  - {name: secrets-identity-record, mountPath: /run/kolla-k8s/secrets, readOnly: true}
  - {name: token, mountPath: /run/kolla-k8s/token, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: state, mountPath: /var/lib/neutron}
  - {name: rendered, mountPath: /etc/kolla-k8s/database.cnf, subPath: database.cnf, readOnly: true}
  - {name: rendered, mountPath: /etc/neutron/neutron.conf, subPath: neutron.conf, readOnly: true}
volumes:
- {name: tmp, emptyDir: {}}
- name: kolla-k8s
  projected:
    defaultMode: 292
    sources:
    - configMap:
        name: {{ include "neutron.configName" (dict "root" $ "pod" "bootstrap") }}
    - configMap:
        name: {{ include "neutron.programsName" $ }}
- {name: rendered, emptyDir: {medium: Memory, sizeLimit: 8Mi}}
- name: secrets-identity-record
  projected:
    defaultMode: 288
    sources:
    - secret:
        name: keystone-secrets
        items:
        - {key: admin-password, path: keystone/admin-password}
    - secret:
        name: neutron-secrets
        items:
        - {key: service-password, path: neutron/service-password}
- name: secrets-databases-messaging
  projected:
    defaultMode: 288
    sources:
    - secret:
        name: mariadb-secrets
        items:
        - {key: root-password, path: mariadb/root-password}
    - secret:
        name: neutron-secrets
        items:
        - {key: database-password, path: neutron/database-password}
        - {key: neutron-agent-messaging-password, path: neutron/neutron-agent-messaging-password}
        - {key: neutron-messaging-password, path: neutron/neutron-messaging-password}
    - secret:
        name: rabbitmq-secrets
        items:
        - {key: admin-password, path: rabbitmq/admin-password}
- name: secrets-prepare
  projected:
    defaultMode: 288
    sources:
    - secret:
        name: neutron-secrets
        items:
        - {key: database-password, path: neutron/database-password}
        - {key: neutron-messaging-password, path: neutron/neutron-messaging-password}
        - {key: service-password, path: neutron/service-password}
- name: token
  projected:
    defaultMode: 288
    sources:
    - {serviceAccountToken: {path: token, expirationSeconds: 3600}}
    - configMap:
        name: kube-root-ca.crt
        items:
        - {key: ca.crt, path: ca.crt}
    - downwardAPI:
        items:
        - {path: namespace, fieldRef: {fieldPath: metadata.namespace}}
- {name: state, emptyDir: {}}
{{- end -}}

{{- define "neutron.bootstrapDigest" -}}
{{- include "neutron.once" (dict "root" . "template" "neutron.newBootstrapDigest" "key" "" "with" .) -}}
{{- end -}}

{{- define "neutron.newBootstrapDigest" -}}
{{- include "neutron.bootstrapPod" . | sha256sum | trunc 10 -}}
{{- end -}}


{{/* Whole name of an image: the chart's own override, or registry, name and tag of the site. */}}
{{- define "neutron-dhcp.image" -}}
{{- $site := .root.Values.global.images -}}
{{- index .root.Values.images .name | default (printf "%s/%s:%s" $site.registry .name $site.tag) -}}
{{- end -}}

{{/* What a template gives, made once for all objects that ask for it; kept where only this rendering sees it. */}}
{{- define "neutron-dhcp.once" -}}
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
{{- define "neutron-dhcp.podFile" -}}
{{- include "neutron-dhcp.once" (dict "root" .root "template" "neutron-dhcp.newPodFile" "key" (print .pod "/" .each) "with" .) -}}
{{- end -}}

{{- define "neutron-dhcp.newPodFile" -}}
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
{{- with include "neutron-dhcp.public" (dict "root" $root "of" .) | fromJson -}}
{{- $_ := set $url "public" (print .url $url.path) -}}
{{- end -}}
{{- $_ := unset $url "expose" -}}
{{- end -}}
{{- end -}}
{{- $namespaces := merge (dict "node" $root.Release.Namespace) $root.Values.global.namespaces -}}
{{- with .each -}}{{- $_ := set $pod "each" . -}}{{- end -}}
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
{{- define "neutron-dhcp.public" -}}
{{- $expose := .root.Values.global.expose -}}
{{- $said := (dig .of.service .of.name dict ($expose.services | default dict)) -}}
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

{{/* Name of a pod's ConfigMap: by content, so that a change makes a new one and an old pod keeps its own. */}}
{{- define "neutron-dhcp.configName" -}}
{{- include "neutron-dhcp.once" (dict "root" .root "template" "neutron-dhcp.newConfigName" "key" (print .pod "/" .each) "with" .) -}}
{{- end -}}

{{- define "neutron-dhcp.newConfigName" -}}
{{- printf "neutron-dhcp-%s-%s" .pod (include "neutron-dhcp.podFile" . | sha256sum | trunc 10) -}}
{{- end -}}

{{/* Name of the ConfigMap of programs, by content too. */}}
{{- define "neutron-dhcp.programsName" -}}neutron-dhcp-programs-35b09b9f97{{- end -}}

{{/* Who may connect: pods that carry the label of this need in either namespace, and nodes. */}}
{{- define "neutron-dhcp.clients" -}}
- podSelector:
    matchLabels:
      {{ .label }}: "true"
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .root.Values.global.namespaces.control | quote }}
  podSelector:
    matchLabels:
      {{ .label }}: "true"
{{- range .root.Values.global.nodeCidrs }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- end -}}


{{/* Whole name of an image: the chart's own override, or registry, name and tag of the site. */}}
{{- define "nova-compute.image" -}}
{{- $site := .root.Values.global.images -}}
{{- index .root.Values.images .name | default (printf "%s/%s:%s" $site.registry .name $site.tag) -}}
{{- end -}}

{{/* The file that tells a pod about itself: its static part, and what only values know. */}}
{{- define "nova-compute.podFile" -}}
{{- $root := .root -}}
{{- $pod := $root.Files.Get (printf "files/%s.json" .pod) | fromJson -}}
{{- range $name, $file := $pod.files -}}
{{- $content := index $root.Values.config $name -}}
{{- range $variant := $root.Values.variants -}}
{{- if eq $variant.file $name -}}
{{- $holds := true -}}
{{- range $option, $wanted := $variant.when -}}
{{- if ne (toString (index $root.Values.options $option)) (toString $wanted) -}}{{- $holds = false -}}{{- end -}}
{{- end -}}
{{- if $holds -}}{{- $content = mergeOverwrite (deepCopy $content) (deepCopy $variant.content) -}}{{- end -}}
{{- end -}}
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
{{- $members := dict -}}
{{- range $name, $host := omit $pod.hosts "nova-compute" -}}
{{- with index $root.Values.global.members $name -}}{{- $_ := set $members $name . -}}{{- end -}}
{{- end -}}
{{- $namespaces := merge (dict "node" $root.Release.Namespace) $root.Values.global.namespaces -}}
{{- $_ := set $pod "members" $members -}}
{{- with .each -}}{{- $_ := set $pod "each" . -}}{{- end -}}
{{- $_ := set $pod "site" (dict "region" $root.Values.global.region "namespaces" $namespaces) -}}
{{- toPrettyJson $pod -}}
{{- end -}}

{{/* Name of a pod's ConfigMap: by content, so that a change makes a new one and an old pod keeps its own. */}}
{{- define "nova-compute.configName" -}}
{{- $programs := "" -}}
{{- range $path, $bytes := .root.Files.Glob "files/*.py" -}}{{- $programs = print $programs ($bytes | toString) -}}{{- end -}}
{{- $content := print (include "nova-compute.podFile" .) $programs -}}
{{- printf "nova-compute-%s-%s" .pod (sha256sum $content | trunc 10) -}}
{{- end -}}

{{/* Who may connect: pods that carry the label of this need in either namespace, and nodes. */}}
{{- define "nova-compute.clients" -}}
- podSelector:
    matchLabels:
      {{ .label }}: "true"
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .root.Values.global.namespaces.control }}
  podSelector:
    matchLabels:
      {{ .label }}: "true"
{{- range .root.Values.global.nodeCidrs }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- end -}}


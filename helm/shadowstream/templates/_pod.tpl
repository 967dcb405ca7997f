{{/* {root, role, args}: the pod template of a role. Pod Security "restricted" holds for it, whatever the values say. */}}
{{- define "shadowstream.pod" -}}
{{- $root := .root -}}
{{- $values := index $root.Values .role -}}
{{- $schemas := include "shadowstream.schemas" $root -}}
metadata:
  annotations:
    checksum/config: {{ list $root.Values.config $root.Values.schemas | toJson | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "shadowstream.labels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "shadowstream.serviceAccount" $root }}
  automountServiceAccountToken: false
  # Service links would set SHADOWSTREAM_* variables.
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- with $root.Values.runAsUser }}
    runAsUser: {{ . }}
    runAsGroup: {{ . }}
    {{- end }}
    {{- with $root.Values.fsGroup }}
    fsGroup: {{ . }}
    {{- end }}
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: {{ .role }}
      image: {{ include "shadowstream.image" . | quote }}
      imagePullPolicy: {{ (mergeOverwrite (deepCopy $root.Values.image) $values.image).pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- with $root.Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with compact (list $root.Values.existingSecret $values.existingSecret) }}
      envFrom:
        # The role's own Secret is last, so its keys win.
        {{- range . }}
        - secretRef: {name: {{ . | quote }}}
        {{- end }}
      {{- end }}
      ports:
        - {name: metrics, containerPort: {{ $root.Values.metrics.port }}, protocol: TCP}
      startupProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        runAsNonRoot: true
        capabilities: {drop: [ALL]}
        seccompProfile: {type: RuntimeDefault}
      volumeMounts:
        # By subPath, so that the schemas can stand beside it; a change of the config restarts the pod by its checksum.
        - {name: config, mountPath: /etc/shadowstream/trial.yaml, subPath: trial.yaml, readOnly: true}
        {{- if $schemas }}
        - {name: schemas, mountPath: /etc/shadowstream/schemas, readOnly: true}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "shadowstream.name" $root }}-trial}
    {{- if $schemas }}
    - name: schemas
      configMap: {name: {{ $schemas | quote }}}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: {{ $root.Values.tmpSizeLimit | quote }}}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

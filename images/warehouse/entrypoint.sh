#!/bin/bash
# Runs its arguments. Spark's Kubernetes scheduler starts executors with the single argument `executor`, and configures them
# by the environment (org.apache.spark.deploy.k8s.features.BasicExecutorFeatureStep).
set -euo pipefail

if [ "${1:-}" != executor ]; then
    exec "$@"
fi

options=()
for ((number = 0; ; number++)); do
    name="SPARK_JAVA_OPT_$number"
    [ -n "${!name+set}" ] || break
    options+=("${!name}")
done

# As for a driver: first what Spark's settings say, then /opt/spark/conf, where Spark mounts them, then Spark. Links
# are followed, since the class path in front may name the same jars, and each should be read once.
exec "$JAVA_HOME/bin/java" ${options[@]+"${options[@]}"} "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
    -cp "${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}/opt/spark/conf:$(readlink -f /opt/spark/jars)/*" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" \
    --executor-id "$SPARK_EXECUTOR_ID" \
    --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" \
    --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
    --podName "$SPARK_EXECUTOR_POD_NAME"

package dev.icefield.catalog;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.Logger;

/**
 * An Iceberg REST catalog for many workspaces in one process: Iceberg's own request handlers over
 * its JDBC catalog.
 *
 * <p>Environment: ICEFIELD_CATALOG_DATABASE_URL (jdbc:postgresql:… or jdbc:sqlite:…),
 * ICEFIELD_CATALOG_DATABASE_USERNAME and _PASSWORD (where the database needs them),
 * ICEFIELD_CATALOG_ADMIN_TOKEN, ICEFIELD_CATALOG_ENCRYPTION_KEY, and ICEFIELD_CATALOG_BIND
 * (host:port, 0.0.0.0:8181 when absent). A variable that is not set may be a file of its name in
 * /etc/icefield/secrets, where a pod has its Secrets.
 */
public final class Main {
  // Kept here: the level of a logger without references is lost.
  private static final Logger LOG = Logger.getLogger(Main.class.getName());
  private static final Logger S3_LOG = Logger.getLogger("org.apache.iceberg.aws.s3.S3FileIO");

  private static final Path SECRETS = Path.of("/etc/icefield/secrets");

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    // Iceberg logs every commit at INFO.
    LogManager.getLogManager().getLogger("").setLevel(Level.WARNING);
    LOG.setLevel(Level.INFO);
    // For each workspace it warns that Hadoop, whose metrics it would use, is not there.
    S3_LOG.setLevel(Level.SEVERE);

    Database database =
        new Database(
            required("ICEFIELD_CATALOG_DATABASE_URL"),
            setting("ICEFIELD_CATALOG_DATABASE_USERNAME"),
            setting("ICEFIELD_CATALOG_DATABASE_PASSWORD"));
    Seal seal = new Seal(required("ICEFIELD_CATALOG_ENCRYPTION_KEY"));
    Warehouses warehouses = new Warehouses(database, seal);
    Server server =
        new Server(
            address(System.getenv().getOrDefault("ICEFIELD_CATALOG_BIND", "0.0.0.0:8181")),
            database,
            warehouses,
            required("ICEFIELD_CATALOG_ADMIN_TOKEN"));
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  server.stop();
                  database.close();
                }));
    server.start();
    LOG.info("Serving " + warehouses.size() + " warehouses at " + server.address());
    warehouses.warmUp();
  }

  private static String setting(String name) throws IOException {
    String value = System.getenv(name);
    Path file = SECRETS.resolve(name);
    return value == null && Files.exists(file) ? Files.readString(file) : value;
  }

  private static String required(String name) throws IOException {
    String value = setting(name);
    if (value == null || value.isBlank()) {
      System.err.println(name + " is not set");
      System.exit(2);
    }
    return value;
  }

  private static InetSocketAddress address(String bind) {
    int colon = bind.lastIndexOf(':');
    return new InetSocketAddress(
        bind.substring(0, colon), Integer.parseInt(bind.substring(colon + 1)));
  }
}

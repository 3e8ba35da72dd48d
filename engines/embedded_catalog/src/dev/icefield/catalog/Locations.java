package dev.icefield.catalog;

import java.util.List;
import java.util.Map;
import org.apache.iceberg.MetadataUpdate;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;

/**
 * The names and locations that a workspace may use. Its keys give access to nothing else anyway;
 * here the error is one sentence, before anything is written.
 */
final class Locations {
  private static final List<String> PATHS =
      List.of(
          "location",
          "write.data.path",
          "write.metadata.path",
          "write.object-storage.path",
          "write.folder-storage.path");
  // A class that every client would load when it opens the table.
  private static final String LOCATION_PROVIDER = "write.location-provider.impl";
  // The widths of JdbcCatalog's columns.
  private static final int MAX_NAME = 255;
  private static final int MAX_LOCATION = 900;

  private final String root;

  /** The workspace's part of the bucket is one level above its tables. */
  Locations(String bucket, String keyPrefix) {
    int end = keyPrefix.lastIndexOf('/');
    this.root = "s3://" + bucket + "/" + (end < 0 ? keyPrefix : keyPrefix.substring(0, end)) + "/";
  }

  /**
   * @throws IllegalArgumentException the location is not the workspace's; null is no location.
   */
  void check(String location) {
    if (location == null) {
      return;
    }
    boolean climbs =
        List.of(location.split("/", -1)).stream()
            .anyMatch(part -> part.equals("..") || part.equals("."));
    if (!location.startsWith(root) || location.length() == root.length() || climbs) {
      throw new IllegalArgumentException(
          "Location " + location + " is outside of the workspace: it must begin with " + root);
    }
    if (location.length() > MAX_LOCATION) {
      throw new IllegalArgumentException("A location has at most " + MAX_LOCATION + " characters");
    }
  }

  /** Check the properties of a table, view or namespace that are locations. */
  void checkProperties(Map<String, String> properties) {
    if (properties == null) {
      return;
    }
    PATHS.forEach(path -> check(properties.get(path)));
    if (properties.containsKey(LOCATION_PROVIDER)) {
      throw new IllegalArgumentException("Property " + LOCATION_PROVIDER + " is not allowed");
    }
  }

  /** Check every location that a commit brings. */
  void checkUpdates(List<MetadataUpdate> updates) {
    for (MetadataUpdate update : updates) {
      if (update instanceof MetadataUpdate.SetLocation change) {
        check(change.location());
      } else if (update instanceof MetadataUpdate.SetProperties change) {
        checkProperties(change.updated());
      } else if (update instanceof MetadataUpdate.AddSnapshot change) {
        check(change.snapshot().manifestListLocation());
      } else if (update instanceof MetadataUpdate.SetStatistics change) {
        check(change.statisticsFile().path());
      } else if (update instanceof MetadataUpdate.SetPartitionStatistics change) {
        check(change.partitionStatisticsFile().path());
      }
    }
  }

  static TableIdentifier checkName(TableIdentifier identifier) {
    checkNamespace(identifier.namespace());
    checkPart(identifier.name());
    return identifier;
  }

  static Namespace checkNamespace(Namespace namespace) {
    if (namespace.isEmpty()) {
      throw new IllegalArgumentException("A namespace has at least one level");
    }
    for (String level : namespace.levels()) {
      checkPart(level);
    }
    if (namespace.toString().length() > MAX_NAME) {
      throw new IllegalArgumentException("A namespace has at most " + MAX_NAME + " characters");
    }
    return namespace;
  }

  private static void checkPart(String part) {
    // JdbcCatalog joins levels with dots, and names become parts of paths.
    boolean refused =
        part.chars().anyMatch(c -> c == '.' || c == '/' || c == '\\' || Character.isISOControl(c));
    if (part.isBlank() || part.length() > MAX_NAME || refused) {
      throw new IllegalArgumentException(
          "\""
              + part
              + "\" cannot be a name: names have 1 to "
              + MAX_NAME
              + " characters, no dots, slashes or control characters");
    }
  }
}

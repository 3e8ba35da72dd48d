package dev.icefield.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.UUID;
import org.apache.iceberg.BaseTable;
import org.apache.iceberg.MetadataUpdate;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableMetadataParser;
import org.apache.iceberg.TableProperties;
import org.apache.iceberg.UpdateRequirement;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.jdbc.UncheckedSQLException;
import org.apache.iceberg.rest.requests.UpdateTableRequest;

/**
 * A commit to several tables at once: every new metadata file is written first, then one
 * transaction of the database swaps all of them in, or none. (Iceberg's own adapter commits one
 * table after another.)
 */
final class Transaction {
  private static final int ATTEMPTS = 4;
  private static final String SWAP =
      "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE"
          + " catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?"
          + " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
  private static final String INSERT =
      "INSERT INTO iceberg_tables(metadata_location, catalog_name, table_namespace, table_name,"
          + " iceberg_type) VALUES (?, ?, ?, ?, 'TABLE') ON CONFLICT DO NOTHING";

  /**
   * One table's part: where its metadata was and where it will be; it has no old place when it is
   * new.
   */
  private record Change(TableIdentifier identifier, String from, String to) {}

  private final Warehouse warehouse;
  private final Database database;

  Transaction(Warehouse warehouse, Database database) {
    this.warehouse = warehouse;
    this.database = database;
  }

  /**
   * @throws CommitFailedException a requirement does not hold, or others kept changing the same
   *     tables.
   */
  void commit(List<UpdateTableRequest> requests) {
    Set<TableIdentifier> tables = new HashSet<>();
    requests.forEach(
        request -> {
          if (!tables.add(request.identifier())) {
            throw new IllegalArgumentException(
                "Table " + request.identifier() + " is changed twice in one transaction");
          }
        });
    // Always in the same order: two transactions over the same tables must not wait for each other.
    List<UpdateTableRequest> ordered = new ArrayList<>(requests);
    ordered.sort(Comparator.comparing(request -> request.identifier().toString()));
    for (int attempt = 1; !tryToCommit(ordered); attempt++) {
      if (attempt == ATTEMPTS) {
        throw new CommitFailedException("Others changed the same tables: try again");
      }
    }
  }

  private boolean tryToCommit(List<UpdateTableRequest> requests) {
    List<Change> changes = new ArrayList<>();
    boolean swapped = false;
    try {
      for (UpdateTableRequest request : requests) {
        Change change = write(request);
        if (change != null) {
          changes.add(change);
        }
      }
      swapped = database.transaction(connection -> swap(connection, changes));
    } catch (Conflict conflict) {
      return false;
    } catch (SQLException failure) {
      // Its outcome is unknown, so the files must stay.
      swapped = true;
      throw new UncheckedSQLException(failure, "The catalog's database broke off in a commit");
    } finally {
      if (!swapped) {
        changes.forEach(change -> warehouse.io.deleteFile(change.to()));
      }
    }
    return true;
  }

  /** Write one table's next metadata file; null when nothing would change. */
  private Change write(UpdateTableRequest request) {
    boolean isNew =
        request.requirements().stream()
            .anyMatch(UpdateRequirement.AssertTableDoesNotExist.class::isInstance);
    TableMetadata base =
        isNew
            ? null
            : ((BaseTable) warehouse.catalog().loadTable(request.identifier()))
                .operations()
                .current();
    if (isNew) {
      checkFree(request.identifier());
    }
    request.requirements().forEach(requirement -> requirement.validate(base));
    TableMetadata.Builder builder =
        isNew
            ? TableMetadata.buildFromEmpty(formatVersion(request))
            : TableMetadata.buildFrom(base);
    request.updates().forEach(update -> update.applyTo(builder));
    TableMetadata updated = builder.build();
    if (updated.changes().isEmpty()) {
      return null;
    }
    String from = isNew ? null : base.metadataFileLocation();
    String to = nextLocation(updated, from);
    TableMetadataParser.write(updated, warehouse.io.newOutputFile(to));
    return new Change(request.identifier(), from, to);
  }

  private void checkFree(TableIdentifier identifier) {
    if (!warehouse.catalog().namespaceExists(identifier.namespace())) {
      throw new NoSuchNamespaceException("Namespace does not exist: %s", identifier.namespace());
    }
    if (warehouse.catalog().tableExists(identifier) || warehouse.catalog().viewExists(identifier)) {
      throw new CommitFailedException("Table already exists: %s", identifier);
    }
  }

  private static int formatVersion(UpdateTableRequest request) {
    return request.updates().stream()
        .filter(MetadataUpdate.UpgradeFormatVersion.class::isInstance)
        .mapToInt(update -> ((MetadataUpdate.UpgradeFormatVersion) update).formatVersion())
        .findFirst()
        .orElse(2);
  }

  private static String nextLocation(TableMetadata metadata, String before) {
    String name = before == null ? "" : before.substring(before.lastIndexOf('/') + 1);
    int dash = name.indexOf('-');
    int version =
        dash > 0 && name.substring(0, dash).chars().allMatch(Character::isDigit)
            ? Integer.parseInt(name.substring(0, dash)) + 1
            : 0;
    String folder =
        metadata.property(
            TableProperties.WRITE_METADATA_LOCATION, metadata.location() + "/metadata");
    String codec =
        metadata.property(
            TableProperties.METADATA_COMPRESSION, TableProperties.METADATA_COMPRESSION_DEFAULT);
    return String.format(
        Locale.ROOT,
        "%s/%05d-%s%s",
        folder,
        version,
        UUID.randomUUID(),
        TableMetadataParser.getFileExtension(codec));
  }

  private Boolean swap(Connection connection, List<Change> changes) throws SQLException {
    for (Change change : changes) {
      String namespace = change.identifier().namespace().toString();
      String name = change.identifier().name();
      int rows =
          change.from() == null
              ? Database.execute(connection, INSERT, change.to(), warehouse.slug, namespace, name)
              : Database.execute(
                  connection,
                  SWAP,
                  change.to(),
                  change.from(),
                  warehouse.slug,
                  namespace,
                  name,
                  change.from());
      if (rows != 1) {
        throw new Conflict();
      }
    }
    return true;
  }

  /** Another commit came first; nothing was changed. */
  private static final class Conflict extends RuntimeException {}
}

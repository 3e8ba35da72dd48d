package dev.icefield.catalog;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.icefield.catalog.Call.Reply;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableMetadataParser;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.NamespaceNotEmptyException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.NoSuchViewException;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.jdbc.UncheckedSQLException;
import org.apache.iceberg.rest.CatalogHandlers;
import org.apache.iceberg.rest.Endpoint;
import org.apache.iceberg.rest.RESTCatalogProperties.SnapshotMode;
import org.apache.iceberg.rest.RESTUtil;
import org.apache.iceberg.rest.requests.CommitTransactionRequest;
import org.apache.iceberg.rest.requests.CreateNamespaceRequest;
import org.apache.iceberg.rest.requests.CreateTableRequest;
import org.apache.iceberg.rest.requests.CreateViewRequest;
import org.apache.iceberg.rest.requests.RegisterTableRequest;
import org.apache.iceberg.rest.requests.RenameTableRequest;
import org.apache.iceberg.rest.requests.UpdateNamespacePropertiesRequest;
import org.apache.iceberg.rest.requests.UpdateTableRequest;
import org.apache.iceberg.rest.responses.ConfigResponse;
import org.apache.iceberg.rest.responses.LoadTableResponse;

/** The endpoints of the Iceberg REST protocol, each a few lines over Iceberg's own handlers. */
final class Catalog {
  /** Serves one endpoint for one workspace. */
  interface Handler {
    Reply serve(Warehouse warehouse, Call call);
  }

  private static final long CACHE_BYTES = 64L << 20;
  private static final String FIND =
      "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ?"
          + " AND table_name = ? AND (iceberg_type = ? OR (iceberg_type IS NULL AND ? = 'TABLE'))";

  private final Database database;
  private final Map<Endpoint, Handler> endpoints = new LinkedHashMap<>();
  // Answers to loadTable by their ETag: a metadata file never changes, so an answer made from one
  // holds for ever.
  private final Cache<String, byte[]> answers =
      Caffeine.newBuilder()
          .maximumWeight(CACHE_BYTES)
          .weigher((String tag, byte[] answer) -> answer.length)
          .build();

  Catalog(Database database) {
    this.database = database;
    endpoints.put(Endpoint.V1_LIST_NAMESPACES, this::listNamespaces);
    endpoints.put(Endpoint.V1_CREATE_NAMESPACE, this::createNamespace);
    endpoints.put(
        Endpoint.V1_LOAD_NAMESPACE,
        (w, c) -> Reply.json(CatalogHandlers.loadNamespace(w.catalog(), c.namespace())));
    endpoints.put(
        Endpoint.V1_NAMESPACE_EXISTS,
        (w, c) -> done(() -> CatalogHandlers.namespaceExists(w.catalog(), c.namespace())));
    endpoints.put(Endpoint.V1_UPDATE_NAMESPACE, this::updateNamespace);
    endpoints.put(Endpoint.V1_DELETE_NAMESPACE, this::dropNamespace);
    endpoints.put(Endpoint.V1_LIST_TABLES, this::listTables);
    endpoints.put(Endpoint.V1_CREATE_TABLE, this::createTable);
    endpoints.put(Endpoint.V1_LOAD_TABLE, this::loadTable);
    endpoints.put(
        Endpoint.V1_TABLE_EXISTS, (w, c) -> done(() -> tableLocation(w, c.identifier("table"))));
    endpoints.put(Endpoint.V1_UPDATE_TABLE, this::updateTable);
    endpoints.put(Endpoint.V1_DELETE_TABLE, this::dropTable);
    endpoints.put(
        Endpoint.V1_RENAME_TABLE,
        (w, c) -> done(() -> CatalogHandlers.renameTable(w.catalog(), rename(c))));
    endpoints.put(Endpoint.V1_REGISTER_TABLE, this::registerTable);
    endpoints.put(Endpoint.V1_COMMIT_TRANSACTION, this::commitTransaction);
    endpoints.put(Endpoint.V1_LIST_VIEWS, this::listViews);
    endpoints.put(Endpoint.V1_CREATE_VIEW, this::createView);
    endpoints.put(
        Endpoint.V1_LOAD_VIEW,
        (w, c) -> Reply.json(CatalogHandlers.loadView(w.catalog(), c.identifier("view"))));
    endpoints.put(
        Endpoint.V1_VIEW_EXISTS, (w, c) -> done(() -> viewLocation(w, c.identifier("view"))));
    endpoints.put(Endpoint.V1_UPDATE_VIEW, this::updateView);
    endpoints.put(
        Endpoint.V1_DELETE_VIEW,
        (w, c) -> done(() -> CatalogHandlers.dropView(w.catalog(), c.identifier("view"))));
    endpoints.put(
        Endpoint.V1_RENAME_VIEW,
        (w, c) -> done(() -> CatalogHandlers.renameView(w.catalog(), rename(c))));
  }

  Map<Endpoint, Handler> endpoints() {
    return endpoints;
  }

  /** The configuration of a client: the endpoints, and the prefix of the workspace's catalog. */
  Reply config(Warehouse warehouse) {
    return Reply.json(
        ConfigResponse.builder()
            .withDefaults(warehouse.storage.clientConfig())
            .withOverride("prefix", warehouse.slug)
            .withEndpoints(List.copyOf(endpoints.keySet()))
            .build());
  }

  private Reply listNamespaces(Warehouse warehouse, Call call) {
    String parent = call.query().getOrDefault("parent", "");
    Namespace above =
        parent.isEmpty()
            ? Namespace.empty()
            : Locations.checkNamespace(RESTUtil.namespaceFromQueryParam(parent));
    return Reply.json(
        paged(call)
            ? CatalogHandlers.listNamespaces(warehouse.catalog(), above, token(call), size(call))
            : CatalogHandlers.listNamespaces(warehouse.catalog(), above));
  }

  private Reply createNamespace(Warehouse warehouse, Call call) {
    CreateNamespaceRequest request = call.body(CreateNamespaceRequest.class);
    request.validate();
    String[] levels = Locations.checkNamespace(request.namespace()).levels();
    warehouse.locations.checkProperties(request.properties());
    if (levels.length > 1) {
      Namespace parent = Namespace.of(Arrays.copyOf(levels, levels.length - 1));
      if (!warehouse.catalog().namespaceExists(parent)) {
        throw new NoSuchNamespaceException("Namespace does not exist: %s", parent);
      }
    }
    return Reply.json(CatalogHandlers.createNamespace(warehouse.catalog(), request));
  }

  private Reply updateNamespace(Warehouse warehouse, Call call) {
    UpdateNamespacePropertiesRequest request = call.body(UpdateNamespacePropertiesRequest.class);
    warehouse.locations.checkProperties(request.updates());
    return Reply.json(
        CatalogHandlers.updateNamespaceProperties(warehouse.catalog(), call.namespace(), request));
  }

  private Reply dropNamespace(Warehouse warehouse, Call call) {
    Namespace namespace = call.namespace();
    // JdbcCatalog looks for tables only.
    if (!warehouse.catalog().listNamespaces(namespace).isEmpty()
        || !warehouse.catalog().listViews(namespace).isEmpty()) {
      throw new NamespaceNotEmptyException("Namespace %s is not empty", namespace);
    }
    return done(() -> CatalogHandlers.dropNamespace(warehouse.catalog(), namespace));
  }

  private Reply listTables(Warehouse warehouse, Call call) {
    return Reply.json(
        paged(call)
            ? CatalogHandlers.listTables(
                warehouse.catalog(), call.namespace(), token(call), size(call))
            : CatalogHandlers.listTables(warehouse.catalog(), call.namespace()));
  }

  private Reply createTable(Warehouse warehouse, Call call) {
    CreateTableRequest request = call.body(CreateTableRequest.class);
    request.validate();
    Locations.checkName(TableIdentifier.of(call.namespace(), request.name()));
    warehouse.locations.check(request.location());
    warehouse.locations.checkProperties(request.properties());
    return table(
        warehouse,
        request.stageCreate()
            ? CatalogHandlers.stageTableCreate(warehouse.catalog(), call.namespace(), request)
            : CatalogHandlers.createTable(warehouse.catalog(), call.namespace(), request));
  }

  private Reply loadTable(Warehouse warehouse, Call call) {
    TableIdentifier identifier = call.identifier("table");
    SnapshotMode mode =
        SnapshotMode.valueOf(
            call.query().getOrDefault("snapshots", "all").toUpperCase(Locale.ROOT));
    String etag = etag(warehouse, tableLocation(warehouse, identifier), mode);
    if (matches(call.ifNoneMatch(), etag)) {
      return new Reply(304, null, etag);
    }
    byte[] known = answers.getIfPresent(etag);
    if (known != null) {
      return new Reply(200, known, etag);
    }
    return table(warehouse, CatalogHandlers.loadTable(warehouse.catalog(), identifier, mode), mode);
  }

  private Reply updateTable(Warehouse warehouse, Call call) {
    UpdateTableRequest request = call.body(UpdateTableRequest.class);
    request.validate();
    warehouse.locations.checkUpdates(request.updates());
    return table(
        warehouse,
        CatalogHandlers.updateTable(warehouse.catalog(), call.identifier("table"), request));
  }

  private Reply dropTable(Warehouse warehouse, Call call) {
    TableIdentifier identifier = call.identifier("table");
    if (Boolean.parseBoolean(call.query().get("purgeRequested"))) {
      return done(() -> CatalogHandlers.purgeTable(warehouse.catalog(), identifier));
    }
    return done(() -> CatalogHandlers.dropTable(warehouse.catalog(), identifier));
  }

  private Reply registerTable(Warehouse warehouse, Call call) {
    RegisterTableRequest request = call.body(RegisterTableRequest.class);
    request.validate();
    Locations.checkName(TableIdentifier.of(call.namespace(), request.name()));
    warehouse.locations.check(request.metadataLocation());
    TableMetadata metadata = read(warehouse, request.metadataLocation());
    warehouse.locations.check(metadata.location());
    warehouse.locations.checkProperties(metadata.properties());
    return table(
        warehouse, CatalogHandlers.registerTable(warehouse.catalog(), call.namespace(), request));
  }

  private static TableMetadata read(Warehouse warehouse, String location) {
    try {
      return TableMetadataParser.read(warehouse.io, location);
    } catch (Store.UnavailableException away) {
      throw away;
    } catch (NotFoundException missing) {
      throw new IllegalArgumentException("There is no metadata file at " + location, missing);
    }
  }

  private Reply commitTransaction(Warehouse warehouse, Call call) {
    List<UpdateTableRequest> changes = call.body(CommitTransactionRequest.class).tableChanges();
    for (UpdateTableRequest change : changes) {
      Locations.checkName(change.identifier());
      warehouse.locations.checkUpdates(change.updates());
    }
    new Transaction(warehouse, database).commit(changes);
    return Reply.NO_CONTENT;
  }

  private Reply listViews(Warehouse warehouse, Call call) {
    return Reply.json(
        paged(call)
            ? CatalogHandlers.listViews(
                warehouse.catalog(), call.namespace(), token(call), size(call))
            : CatalogHandlers.listViews(warehouse.catalog(), call.namespace()));
  }

  private Reply createView(Warehouse warehouse, Call call) {
    CreateViewRequest request = call.body(CreateViewRequest.class);
    request.validate();
    Locations.checkName(TableIdentifier.of(call.namespace(), request.name()));
    warehouse.locations.check(request.location());
    warehouse.locations.checkProperties(request.properties());
    return Reply.json(CatalogHandlers.createView(warehouse.catalog(), call.namespace(), request));
  }

  private Reply updateView(Warehouse warehouse, Call call) {
    UpdateTableRequest request = call.body(UpdateTableRequest.class);
    warehouse.locations.checkUpdates(request.updates());
    return Reply.json(
        CatalogHandlers.updateView(warehouse.catalog(), call.identifier("view"), request));
  }

  private static RenameTableRequest rename(Call call) {
    RenameTableRequest request = call.body(RenameTableRequest.class);
    request.validate();
    Locations.checkName(request.source());
    Locations.checkName(request.destination());
    return request;
  }

  private Reply table(Warehouse warehouse, LoadTableResponse loaded) {
    return table(warehouse, loaded, SnapshotMode.ALL);
  }

  private Reply table(Warehouse warehouse, LoadTableResponse loaded, SnapshotMode mode) {
    byte[] body =
        Json.bytes(
            LoadTableResponse.builder()
                .withTableMetadata(loaded.tableMetadata())
                .addAllConfig(warehouse.storage.clientConfig())
                .build());
    // A table that is only staged has no file yet.
    if (loaded.metadataLocation() == null) {
      return new Reply(200, body, null);
    }
    String etag = etag(warehouse, loaded.metadataLocation(), mode);
    answers.put(etag, body);
    return new Reply(200, body, etag);
  }

  private static String etag(Warehouse warehouse, String location, SnapshotMode mode) {
    // The slug is part of the location; the store's settings for clients are part of the answer.
    return '"' + Seal.hexSha256(location + "\n" + mode + "\n" + warehouse.clientConfigHash) + '"';
  }

  private static boolean matches(String header, String etag) {
    return header != null
        && Arrays.stream(header.split(","))
            .map(String::strip)
            .map(tag -> tag.startsWith("W/") ? tag.substring(2) : tag)
            .anyMatch(etag::equals);
  }

  private String tableLocation(Warehouse warehouse, TableIdentifier identifier) {
    String location = metadataLocation(warehouse, identifier, "TABLE");
    if (location == null) {
      throw new NoSuchTableException("Table does not exist: %s", identifier);
    }
    return location;
  }

  private void viewLocation(Warehouse warehouse, TableIdentifier identifier) {
    if (metadataLocation(warehouse, identifier, "VIEW") == null) {
      throw new NoSuchViewException("View does not exist: %s", identifier);
    }
  }

  private String metadataLocation(Warehouse warehouse, TableIdentifier identifier, String type) {
    try {
      return database.run(
          connection -> {
            try (var statement = connection.prepareStatement(FIND)) {
              statement.setString(1, warehouse.slug);
              statement.setString(2, identifier.namespace().toString());
              statement.setString(3, identifier.name());
              statement.setString(4, type);
              statement.setString(5, type);
              var rows = statement.executeQuery();
              return rows.next() ? rows.getString(1) : null;
            }
          });
    } catch (SQLException failure) {
      throw new UncheckedSQLException(failure, "The catalog's database does not answer");
    }
  }

  private static boolean paged(Call call) {
    return call.query().containsKey("pageSize");
  }

  private static String token(Call call) {
    return call.query().getOrDefault("pageToken", "");
  }

  private static String size(Call call) {
    return call.query().get("pageSize");
  }

  private static Reply done(Runnable work) {
    work.run();
    return Reply.NO_CONTENT;
  }
}

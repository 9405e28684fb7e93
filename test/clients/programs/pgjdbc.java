// pgjdbc as applications use it, step by step; see ../steps.ts for what each step prints. Run from source, without a build.

import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HexFormat;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

class Program {
  static final String BIG = "0123456789abcdef".repeat(65536);

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "steps" -> steps();
      case "standby" -> standby();
      case "write" -> write(arguments[1]);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  static void steps() throws Exception {
    try (Connection connection = open()) {
      DatabaseMetaData about = connection.getMetaData();
      say("client", text("pgjdbc " + about.getDriverVersion()));
      connect(connection);
      say("version", text(about.getDatabaseProductVersion()));
      prepared(connection);
      error(connection);
      copy(connection);
      largeObject(connection);
      notifications(connection);
      cancel(connection);
      big(connection);
      pipeline(connection);
    }
  }

  static Connection open() throws SQLException {
    String host = System.getenv("PGHOST") + ":" + System.getenv("PGPORT");
    Properties properties = new Properties();
    properties.setProperty("user", System.getenv("PGUSER"));
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
    return DriverManager.getConnection("jdbc:postgresql://" + host + "/" + System.getenv("PGDATABASE"), properties);
  }

  static void connect(Connection connection) throws SQLException {
    String sql = "SELECT current_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(sql)) {
      row.next();
      String names = "\"user\":" + text(row.getString(1)) + ",\"database\":" + text(row.getString(2));
      say("connect", "{" + names + ",\"tls\":" + row.getBoolean(3) + "}");
    }
  }

  static void prepared(Connection connection) throws SQLException {
    try (PreparedStatement adding = connection.prepareStatement("SELECT ?::int + ?::int")) {
      // From the first execution on it is a named statement on the server; by default from the fifth.
      adding.unwrap(org.postgresql.PGStatement.class).setPrepareThreshold(1);
      say("prepared", "[" + add(adding, 1, 2) + "," + add(adding, 3, 4) + "]");
    }
  }

  static int add(PreparedStatement adding, int left, int right) throws SQLException {
    adding.setInt(1, left);
    adding.setInt(2, right);
    try (ResultSet row = adding.executeQuery()) {
      row.next();
      return row.getInt(1);
    }
  }

  static void error(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    SQLException first = failure(connection, "SELECT 1/0");
    SQLException second = failure(connection, "SELECT 1");
    connection.rollback();
    String after = one(connection, "SELECT 1");
    connection.commit();
    connection.setAutoCommit(true);
    String codes = "[" + text(first.getSQLState()) + "," + text(second.getSQLState()) + "]";
    say("error", "{\"codes\":" + codes + ",\"message\":" + text(first.getMessage()) + ",\"after\":" + after + "}");
  }

  static void copy(Connection connection) throws Exception {
    execute(connection, "CREATE TEMP TABLE copied (id int, name text)");
    StringBuilder rows = new StringBuilder();
    for (int id = 1; id <= 1000; id++) rows.append(id).append("\trow ").append(id).append('\n');
    PGConnection postgres = connection.unwrap(PGConnection.class);
    postgres.getCopyAPI().copyIn("COPY copied FROM STDIN", new StringReader(rows.toString()));
    String count = one(connection, "SELECT count(*) FROM copied");
    say("copyIn", "{\"rows\":" + count + ",\"sum\":" + one(connection, "SELECT sum(id) FROM copied") + "}");
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    postgres.getCopyAPI().copyOut("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT", out);
    say("copyOut", digest(out.toByteArray()));
  }

  static void largeObject(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    LargeObjectManager objects = connection.unwrap(PGConnection.class).getLargeObjectAPI();
    long oid = objects.createLO();
    try (LargeObject object = objects.open(oid, LargeObjectManager.READWRITE)) {
      object.write(BIG.substring(0, 100_000).getBytes());
      object.seek(0);
      say("largeObject", digest(object.read(200_000)));
    }
    objects.delete(oid);
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void notifications(Connection connection) throws SQLException {
    execute(connection, "LISTEN news");
    try (Connection other = open()) {
      execute(other, "NOTIFY news, 'paper'");
    }
    PGNotification heard = connection.unwrap(PGConnection.class).getNotifications(20_000)[0];
    execute(connection, "UNLISTEN news");
    String payload = ",\"payload\":" + text(heard.getParameter());
    say("notify", "{\"channel\":" + text(heard.getName()) + payload + "}");
  }

  static void cancel(Connection connection) throws Exception {
    String pid = one(connection, "SELECT pg_backend_pid()");
    try (Statement statement = connection.createStatement()) {
      Thread canceller = new Thread(() -> cancelOnceItSleeps(statement, pid));
      canceller.start();
      SQLException error = null;
      try {
        statement.execute("SELECT pg_sleep(60)");
      } catch (SQLException thrown) {
        error = thrown;
      }
      canceller.join();
      if (error == null) throw new IllegalStateException("it was not cancelled");
      say("cancel", "{\"code\":" + text(error.getSQLState()) + ",\"message\":" + text(error.getMessage()) + "}");
    }
  }

  static void cancelOnceItSleeps(Statement statement, String pid) {
    String sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " + pid;
    try (Connection other = open()) {
      while (one(other, sleeping).equals("0")) Thread.sleep(20);
      statement.cancel();
    } catch (SQLException | InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  static void big(Connection connection) throws Exception {
    try (PreparedStatement echo = connection.prepareStatement("SELECT ?::text")) {
      echo.setString(1, BIG);
      try (ResultSet row = echo.executeQuery()) {
        row.next();
        say("big", digest(row.getString(1).getBytes()));
      }
    }
  }

  /** A batch is what pgjdbc sends without waiting for each answer. */
  static void pipeline(Connection connection) throws SQLException {
    execute(connection, "CREATE TEMP TABLE batched (number int)");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO batched VALUES (?)")) {
      for (int number = 1; number <= 100; number++) {
        insert.setInt(1, number);
        insert.addBatch();
      }
      insert.executeBatch();
    }
    say("pipeline", one(connection, "SELECT sum(number) FROM batched"));
  }

  static void standby() throws SQLException {
    try (Connection connection = open()) {
      boolean isRecovering = one(connection, "SELECT pg_is_in_recovery()").equals("t");
      SQLException error = failure(connection, "CREATE TABLE no_place_for_it ()");
      String words = ",\"code\":" + text(error.getSQLState()) + ",\"message\":" + text(error.getMessage());
      say("standby", "{\"recovering\":" + isRecovering + words + "}");
    }
  }

  /** `isValid` is what HikariCP and other pools ask before they lend a connection. */
  static void write(String prefix) throws InterruptedException {
    String sql = "INSERT INTO invoices (number, customer, amount_cents) VALUES (?, 'client', 100) RETURNING inet_server_port()";
    Connection connection = null;
    for (int number = 1; ; number++) {
      String invoice = prefix + "-" + number;
      try {
        if (connection == null || connection.isClosed()) connection = open();
        try (PreparedStatement insert = connection.prepareStatement(sql)) {
          insert.setString(1, invoice);
          ResultSet row = insert.executeQuery();
          row.next();
          System.out.println("{\"written\":" + text(invoice) + ",\"port\":" + row.getInt(1) + "}");
        }
      } catch (SQLException error) {
        String code = "\"code\":" + text(error.getSQLState());
        String kind = ",\"kind\":" + text(error.getClass().getSimpleName());
        System.out.println("{\"error\":{" + code + kind + ",\"text\":" + text(error.getMessage()) + "}}");
      }
      Thread.sleep(50);
    }
  }

  static String one(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  static SQLException failure(Connection connection, String sql) {
    try {
      execute(connection, sql);
    } catch (SQLException error) {
      return error;
    }
    throw new IllegalStateException(sql + " did not fail");
  }

  static String digest(byte[] data) throws Exception {
    String md5 = HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(data));
    return "{\"bytes\":" + data.length + ",\"md5\":" + text(md5) + "}";
  }

  static void say(String step, String json) {
    System.out.println("{\"step\":" + text(step) + ",\"value\":" + json + "}");
  }

  static String text(String value) {
    if (value == null) return "null";
    return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + '"';
  }
}

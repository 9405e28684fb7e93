# ruby-pg as applications use it, step by step; see ../steps.ts for what each step prints.
require 'digest'
require 'json'
require 'pg'

$stdout.sync = true
BIG = '0123456789abcdef' * 65_536
SLEEPING = "SELECT count(*)::int FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'".freeze
INSERT = <<~SQL.freeze
  INSERT INTO invoices (number, customer, amount_cents) VALUES ($1, 'client', 100) RETURNING inet_server_port()
SQL

def say(step, value)
  puts JSON.generate(step: step, value: value)
end

# libpq reads PGHOST and the rest from the environment.
def open
  connection = PG.connect
  connection.type_map_for_results = PG::BasicTypeMapForResults.new(connection)
  connection
end

def digest(data)
  { bytes: data.bytesize, md5: Digest::MD5.hexdigest(data) }
end

def failure
  yield
rescue PG::Error => e
  e
else
  raise 'it did not fail'
end

def state(error)
  error.result&.error_field(PG::Result::PG_DIAG_SQLSTATE)
end

def error_in_transaction(connection)
  connection.exec('BEGIN')
  first = failure { connection.exec('SELECT 1/0') }
  second = failure { connection.exec('SELECT 1') }
  connection.exec('ROLLBACK')
  { codes: [state(first), state(second)], message: first.message, after: connection.exec('SELECT 1').getvalue(0, 0) }
end

def copy(connection)
  connection.exec('CREATE TEMP TABLE copied (id int, name text)')
  connection.copy_data('COPY copied FROM STDIN') do
    (1..1000).each { |id| connection.put_copy_data("#{id}\trow #{id}\n") }
  end
  count, total = connection.exec('SELECT count(*)::int, sum(id)::int FROM copied').values.first
  say('copyIn', { rows: count, sum: total })
  out = +''
  connection.copy_data('COPY (SELECT * FROM copied ORDER BY id) TO STDOUT') do
    while (row = connection.get_copy_data)
      out << row
    end
  end
  say('copyOut', digest(out))
end

def large_object(connection)
  connection.transaction do
    oid = connection.lo_creat(PG::INV_READ | PG::INV_WRITE)
    object = connection.lo_open(oid, PG::INV_READ | PG::INV_WRITE)
    connection.lo_write(object, BIG[0, 100_000])
    connection.lo_lseek(object, 0, PG::SEEK_SET)
    read = connection.lo_read(object, 200_000)
    connection.lo_close(object)
    connection.lo_unlink(oid)
    digest(read)
  end
end

def notify(connection)
  connection.exec('LISTEN news')
  other = open
  other.exec("NOTIFY news, 'paper'")
  other.close
  heard = nil
  connection.wait_for_notify(20) { |channel, _pid, payload| heard = { channel: channel, payload: payload } }
  connection.exec('UNLISTEN news')
  heard
end

def cancel(connection)
  pid = connection.exec('SELECT pg_backend_pid()').getvalue(0, 0)
  connection.send_query('SELECT pg_sleep(60)')
  other = open
  sleep 0.02 while other.exec_params(SLEEPING, [pid]).getvalue(0, 0).zero?
  other.close
  connection.cancel
  error = failure { connection.get_last_result }
  { code: state(error), message: error.message }
end

def pipelined(connection)
  connection.enter_pipeline_mode
  (1..100).each { |number| connection.send_query_params('SELECT $1::int', [number]) }
  connection.pipeline_sync
  total = 0
  loop do
    result = connection.get_result or next
    break if result.result_status == PG::PGRES_PIPELINE_SYNC

    total += result.getvalue(0, 0).to_i
  end
  connection.exit_pipeline_mode
  total
end

def steps
  connection = open
  libpq = PG.library_version
  say('client', "ruby-pg #{PG::VERSION}, libpq #{libpq / 10_000}.#{libpq % 10_000}")
  user, database, tls = connection.exec(<<~SQL).values.first
    SELECT current_user::text, current_database()::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()
  SQL
  say('connect', { user: user, database: database, tls: tls })
  say('version', connection.server_version.to_s)
  connection.prepare('adding', 'SELECT $1::int + $2::int')
  say('prepared', [[1, 2], [3, 4]].map { |pair| connection.exec_prepared('adding', pair).getvalue(0, 0) })
  say('error', error_in_transaction(connection))
  copy(connection)
  say('largeObject', large_object(connection))
  say('notify', notify(connection))
  say('cancel', cancel(connection))
  say('big', digest(connection.exec_params('SELECT $1::text', [BIG]).getvalue(0, 0)))
  say('pipeline', pipelined(connection))
  connection.close
end

def standby
  connection = open
  recovering = connection.exec('SELECT pg_is_in_recovery()').getvalue(0, 0)
  error = failure { connection.exec('CREATE TABLE no_place_for_it ()') }
  say('standby', { recovering: recovering, code: state(error), message: error.message })
end

# `reset` is the library's own way to connect again on the same object.
def write(prefix)
  connection = nil
  (1..).each do |number|
    begin
      connection ||= open
      connection.reset if connection.status != PG::CONNECTION_OK
      port = connection.exec_params(INSERT, ["#{prefix}-#{number}"]).getvalue(0, 0)
      puts JSON.generate(written: "#{prefix}-#{number}", port: port)
    rescue PG::Error => e
      puts JSON.generate(error: { code: state(e), kind: e.class.name, text: e.message.strip })
    end
    sleep 0.05
  end
end

case ARGV.first
when 'steps' then steps
when 'standby' then standby
when 'write' then write(ARGV.fetch(1))
end
